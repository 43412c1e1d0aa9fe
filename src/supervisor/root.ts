import { spawnSync } from 'node:child_process';
import { CapabilitySet } from '../shared/privileges/capabilities.js';
import { assertPrivileges } from '../shared/privileges/privileges.js';
import type { Command } from './child-process.js';
import { ownProgram, readingTheCode } from './child-specs.js';
import {
  asUser,
  missingForDroppingRoot,
  SETPRIV,
  type GrantedPrivileges,
  type ServiceUser,
} from './granted-privileges.js';
import type { Log } from './restarted-child.js';

/** Long enough for a busy machine; a file system that hangs must not block the start for ever. */
const PROBE_TIMEOUT_MS = 30_000;

/** The variable that is set for the program when it is executed again without root. */
const ROOT_DROPPED = 'PACKETFLIX_ROOT_DROPPED';

/** The user that packages and images create for the service. */
const DEFAULT_NAME = 'packetflix';

/**
 * If there is no such user: ids that ordinary systems do not assign, see https://systemd.io/UIDS-GIDS/. Not `nobody`,
 * which other services run as, too: a process with the same user or group can reach the engines.
 */
const UNASSIGNED: ServiceUser = { uid: 65_533, gid: 65_533 };

/** The kernel reserves the largest value: it means "no change". */
const MAX_ID = 0xffff_fffe;

/**
 * Drops root if this process is root, and determines the privileges that it can grant to its children.
 *
 * **Does not return** when it drops root: the process then executes this program again as the service's user (execve(2)),
 * and in that program the call returns. If the service's user may not read the code, it returns without dropping root.
 *
 * @param requested value of `--user`
 * @param setpriv path of setpriv(1)
 * @param handedOver variables for this program when it is executed again: what only root can read
 * @throws Error whose message has one line for the operator per line
 */
export function dropRoot(
  requested: string | undefined,
  setpriv: string,
  argv: readonly string[],
  log: Log,
  handedOver: NodeJS.ProcessEnv,
): GrantedPrivileges {
  // Only once, as setpriv can fail without an error.
  if (process.env[ROOT_DROPPED] === '1') assertPrivileges('supervisor');
  if (process.getuid?.() !== 0) return { capabilities: CapabilitySet.ofThisProcess('CapAmb') };
  const capabilities = CapabilitySet.ofThisProcess('CapPrm');
  const missing = missingForDroppingRoot(capabilities);
  if (missing.length > 0) throw new Error(cannotDropRoot(missing));
  const user = resolveServiceUser(requested);
  log(`dropping root: the service runs as user ${user.uid}, group ${user.gid}`);
  if (mayReadCode(user, capabilities)) executeAsUser(user, capabilities, setpriv, argv, handedOver);
  log(
    'that user may not read the code, so only the server runs as it; the other processes keep user ID 0, with the ' +
      'capabilities of their roles only',
    'warn',
  );
  log('To fix this, put the code into a directory that all users may read, such as /opt', 'warn');
  return { capabilities, closedTo: user };
}

/**
 * Determines the user to become.
 *
 * @param requested value of `--user`: a name, a user id or UID:GID; absent: the default
 * @throws Error when there is no such user, or it is root
 */
export function resolveServiceUser(requested: string | undefined, lookUp = lookUpUser): ServiceUser {
  if (requested === undefined) return lookUp(DEFAULT_NAME) ?? UNASSIGNED;
  const [, uid, gid] = /^(\d+)(?::(\d+))?$/.exec(requested) ?? [];
  const user =
    uid === undefined ? lookUp(requested) : { uid: Number(uid), gid: Number(gid ?? lookUp(uid)?.gid ?? uid) };
  if (!user) throw new Error(`--user: there is no user ${JSON.stringify(requested)}`);
  if (user.uid === 0) throw new Error('--user: the service must not run as root');
  if (user.uid > MAX_ID || user.gid > MAX_ID) throw new Error(`--user: ${requested} is not a valid user id`);
  return user;
}

/** Uses id(1), which knows all sources of nsswitch.conf(5), including directory services. */
function lookUpUser(nameOrId: string): ServiceUser | undefined {
  const [uid, gid] = ['-u', '-g'].map((option) => {
    const { status, stdout } = spawnSync('id', [option, '--', nameOrId], { encoding: 'utf8' });
    return status === 0 && /^\d+$/.test(stdout.trim()) ? Number(stdout) : undefined;
  });
  return uid === undefined || gid === undefined ? undefined : { uid, gid };
}

/** @throws Error when root cannot become that user at all */
function mayReadCode(user: ServiceUser, capabilities: CapabilitySet): boolean {
  const failureOf = (command: Command): string | undefined =>
    failure(asUser('filter compiler', user, command, capabilities));
  const refused = failureOf({ file: SETPRIV, args: ['--version'] });
  if (refused) throw new Error(`cannot become user ${user.uid}, group ${user.gid}: ${refused}`);
  return failureOf(readingTheCode()) === undefined;
}

/** Undefined: the command succeeded. */
function failure({ file, args }: Command): string | undefined {
  const { status, stderr, error } = spawnSync(file, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
    timeout: PROBE_TIMEOUT_MS,
  });
  return status === 0 ? undefined : (error?.message ?? stderr.trim());
}

/**
 * Becomes an ordinary user irrevocably, by an execve(2): the same process starts again and checks that it has no excess
 * privileges. From then on everything is as if that user had started the service; in particular it may signal its
 * children, for which root would need CAP_KILL.
 */
function executeAsUser(
  user: ServiceUser,
  capabilities: CapabilitySet,
  setpriv: string,
  argv: readonly string[],
  handedOver: NodeJS.ProcessEnv,
): never {
  const { args } = asUser('supervisor', user, ownProgram(...argv), capabilities);
  // Undefined only on Windows. Ends the process if the program cannot be executed.
  return process.execve!(setpriv, [SETPRIV, ...args], { ...process.env, ...handedOver, [ROOT_DROPPED]: '1' });
}

function cannotDropRoot(missing: readonly string[]): string {
  return [
    `started as root, but without ${missing.map((name) => `CAP_${name}`).join(', ')}: root cannot be dropped`,
    'To fix this, do one of:',
    `  in a container:  docker run ${missing.map((name) => `--cap-add ${name}`).join(' ')} ...`,
    '  start it as another user with ambient capabilities',
  ].join('\n');
}
