import { readFileSync } from 'node:fs';
import { SERVICE_NAME } from '../version/service-version.js';
import { runSupervisor } from './main.js';
import { asUser, describeExcess, missingForBecoming, parsePowers, type Powers } from './unprivileged-user.js';

/** Says that the privileges have been given up: the rest of the command line is the service's. */
const GIVEN_UP = '--privileges-given-up';

/**
 * The entrypoint of the image: gives up root and whatever else the service does not need, once and for all of it, and
 * then runs it. So the supervisor, too, is an ordinary user, and may end its children: without CAP_KILL root cannot
 * signal another user's.
 *
 * @param argv the command line of the service
 */
export async function runAsUser(argv: readonly string[], program: string): Promise<never> {
  const powers = parsePowers(readFileSync('/proc/self/status', 'utf8'));
  if (argv[0] !== GIVEN_UP) return giveUp(powers, argv, program);
  // setpriv can fail without a word, see describeExcess.
  const excess = describeExcess(powers);
  if (excess.length > 0) return refuse(`this is more than the service may keep: ${excess.join(', ')}`);
  return await runSupervisor(argv.slice(1));
}

function giveUp(powers: Powers, argv: readonly string[], program: string): never {
  const missing = missingForBecoming(powers);
  if (missing.length > 0) {
    const options = missing.map((name) => `--cap-add ${name}`).join(' ');
    return refuse(
      `started as root, but without ${missing.join(', ')}: root cannot be given up\n` +
        `to mend it: docker run ${options} ..., or start it as another user with ambient capabilities`,
    );
  }
  const [uid = '', gid = uid] = (process.env['PACKETFLIX_USER'] ?? '').split(':');
  if (!/^[1-9]\d*$/.test(uid) || !/^[1-9]\d*$/.test(gid)) {
    return refuse(
      'PACKETFLIX_USER must be a user id and a group id, such as 51001:51001, and not those of root',
    );
  }
  const options = asUser(powers, { uid, gid });
  const command = [process.execPath, program, 'as-user', GIVEN_UP, ...argv];
  // Aborts where there is no such program. Undefined on Windows only.
  return process.execve!(SETPRIV, ['setpriv', ...options, '--', ...command], process.env);
}

/** execve(2) does not search; this is where the image has it. */
const SETPRIV = '/usr/bin/setpriv';

function refuse(message: string): never {
  for (const line of message.split('\n')) process.stderr.write(`${SERVICE_NAME}: ${line}\n`);
  process.exit(1);
}
