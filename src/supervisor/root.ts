import { spawnSync } from 'node:child_process';
import { CapabilitySet } from '../shared/privileges/capabilities.js';
import { assertPrivileges } from '../shared/privileges/privileges.js';
import type { Command } from './child-process.js';
import { ownProgram, readingTheCode } from './child-specs.js';
import {
  asUser,
  missingForGivingUpRoot,
  SETPRIV,
  type GrantedPrivileges,
  type ServiceUser,
} from './granted-privileges.js';
import type { Log } from './restarted-child.js';

/** Long enough for a busy machine; a file system that hangs must not block the start for ever. */
const PROBE_TIMEOUT_MS = 30_000;

/** The variable that is set for the program once it has given up root. */
const GIVEN_UP = 'PACKETFLIX_ROOT_GIVEN_UP';

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
 * Gives up root if this process is root, and returns the privileges that it can grant to its children.
 *
 * When the service's user may read the code, the process executes this program once more as that user, and the function
 * does not return.
 *
 * @param wish value of `--user`
 * @param setpriv path of setpriv(1)
 * @throws Error whose message has one line for the operator per line
 */
export function grantedPrivileges(
  wish: string | undefined,
  setpriv: string,
  argv: readonly string[],
  log: Log,
): GrantedPrivileges {
  // Only once, as setpriv can fail without an error.
  if (process.env[GIVEN_UP] === '1') assertPrivileges('supervisor');
  if (process.getuid?.() !== 0) return { capabilities: CapabilitySet.ofThisProcess('CapAmb') };
  const capabilities = CapabilitySet.ofThisProcess('CapPrm');
  const missing = missingForGivingUpRoot(capabilities);
  if (missing.length > 0) throw new Error(cannotGiveUpRoot(missing));
  const user = resolveServiceUser(wish);
  log(`giving up root: becoming user ${user.uid}, group ${user.gid}`);
  if (mayReadCode(user, capabilities)) becomeUser(user, capabilities, setpriv, argv);
  log(
    'that user may not read the code, so engines and filter compilers stay user 0, without its capabilities',
    'warn',
  );
  log('To fix this, put the code into a directory that all users may read, such as /opt', 'warn');
  return { capabilities, closedTo: user };
}

/**
 * Determines the user to become.
 *
 * @param wish value of `--user`: a name, a user id or UID:GID; absent: the default
 * @throws Error when there is no such user, or it is root
 */
export function resolveServiceUser(wish: string | undefined, lookUp = lookUpUser): ServiceUser {
  if (wish === undefined) return lookUp(DEFAULT_NAME) ?? UNASSIGNED;
  const [, uid, gid] = /^(\d+)(?::(\d+))?$/.exec(wish) ?? [];
  const user =
    uid === undefined ? lookUp(wish) : { uid: Number(uid), gid: Number(gid ?? lookUp(uid)?.gid ?? uid) };
  if (!user) throw new Error(`--user: there is no user ${JSON.stringify(wish)}`);
  if (user.uid === 0) throw new Error('--user: the service must not run as root');
  if (user.uid > MAX_ID || user.gid > MAX_ID) throw new Error(`--user: ${wish} is not a valid user id`);
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
function becomeUser(
  user: ServiceUser,
  capabilities: CapabilitySet,
  setpriv: string,
  argv: readonly string[],
): never {
  const { args } = asUser('supervisor', user, ownProgram(...argv), capabilities);
  // Undefined only on Windows. Ends the process if the program cannot be executed.
  return process.execve!(setpriv, [SETPRIV, ...args], { ...process.env, [GIVEN_UP]: '1' });
}

function cannotGiveUpRoot(missing: readonly string[]): string {
  return [
    `started as root, but without ${missing.map((name) => `CAP_${name}`).join(', ')}: root cannot be given up`,
    'To fix this, do one of:',
    `  in a container:  docker run ${missing.map((name) => `--cap-add ${name}`).join(' ')} ...`,
    '  start it as another user with ambient capabilities',
  ].join('\n');
}
