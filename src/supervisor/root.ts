import { spawnSync } from 'node:child_process';
import { CapabilitySet } from '../shared/privileges/capabilities.js';
import { asUser, missingForGivingUpRoot, SETPRIV, type GrantedPrivileges } from './privileges.js';
import { asSupervisor, READING_THE_CODE, type Command } from './roles.js';
import { resolveServiceUser, type ServiceUser } from './service-user.js';

/** A busy machine may take its time; a file system that hangs must not keep us for ever. */
const PROBE_TIMEOUT_MS = 30_000;

/** Set for the program that has given up root. */
export const GIVEN_UP = 'PACKETFLIX_ROOT_GIVEN_UP';

/**
 * Finds out whom root becomes, and whether that user may read the code.
 *
 * @param wish whom the option names
 * @throws Error with lines for the operator, when root cannot be given up
 */
export function planGivingUpRoot(
  wish: string | undefined,
): GrantedPrivileges & { readonly user: ServiceUser } {
  const capabilities = CapabilitySet.ofThisProcess('CapPrm');
  const missing = missingForGivingUpRoot(capabilities);
  if (missing.length > 0) throw new Error(cannotGiveUpRoot(missing));
  const user = resolveServiceUser(wish);
  const failureOf = (command: Command): string | undefined =>
    failure(asUser('filter compiler', user, command, capabilities));
  const refused = failureOf({ file: SETPRIV, args: ['--version'] });
  if (refused) throw new Error(`cannot become user ${user.uid}, group ${user.gid}: ${refused}`);
  const closed = failureOf(READING_THE_CODE) !== undefined;
  return { capabilities, user, ...(closed ? { closedTo: user } : {}) };
}

/**
 * Becomes an ordinary user for good, by an exec: this same process begins anew, and sees to it that it has no more
 * than it should. Thereafter all is as if that user had started the service, so it may also end its children,
 * which root cannot without CAP_KILL.
 *
 * @param setpriv path of the program, as execve(2) does not search for it
 */
export function becomeUser(
  { capabilities, user }: { readonly capabilities: CapabilitySet; readonly user: ServiceUser },
  setpriv: string,
  argv: readonly string[],
): never {
  const { args } = asUser('supervisor', user, asSupervisor(argv), capabilities);
  // Undefined on Windows only. Ends the process where that program cannot be run.
  return process.execve!(setpriv, [SETPRIV, ...args], { ...process.env, [GIVEN_UP]: '1' });
}

/** Undefined: the command did well. */
function failure({ file, args }: Command): string | undefined {
  const { status, stderr, error } = spawnSync(file, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
    timeout: PROBE_TIMEOUT_MS,
  });
  return status === 0 ? undefined : (error?.message ?? stderr.trim());
}

function cannotGiveUpRoot(missing: readonly string[]): string {
  return [
    `started as root, but without ${missing.map((name) => `CAP_${name}`).join(', ')}: root cannot be given up`,
    'to mend it, one of these:',
    `  in a container:  docker run ${missing.map((name) => `--cap-add ${name}`).join(' ')} ...`,
    '  start it as another user with ambient capabilities',
  ].join('\n');
}
