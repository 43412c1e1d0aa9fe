import { spawnSync } from 'node:child_process';

/** Who the service is once it has given up root. */
export interface ServiceUser {
  readonly uid: number;
  readonly gid: number;
}

/** Whom packages and images make for the service. */
const USUAL_NAME = 'packetflix';

/**
 * Where there is no such user: ids that no ordinary system gives to anybody, see https://systemd.io/UIDS-GIDS/. Not
 * `nobody`, which other services share: who has the same user or group reaches the engines.
 */
const NOBODY_ELSE: ServiceUser = { uid: 65_533, gid: 65_533 };

/** Linux keeps the greatest value for "no change". */
const MAX_ID = 0xffff_fffe;

/**
 * Finds out who to become.
 *
 * @param wish the option's text: a name, an id, or two; absent: the default
 * @throws Error when there is no such user, or it is root
 */
export function resolveServiceUser(wish: string | undefined, lookUp = userOfThisMachine): ServiceUser {
  if (wish === undefined) return lookUp(USUAL_NAME) ?? NOBODY_ELSE;
  const [, uid, gid] = /^(\d+)(?::(\d+))?$/.exec(wish) ?? [];
  const user =
    uid === undefined ? lookUp(wish) : { uid: Number(uid), gid: Number(gid ?? lookUp(uid)?.gid ?? uid) };
  if (!user) throw new Error(`--user: there is no user ${JSON.stringify(wish)}`);
  if (user.uid === 0) throw new Error('--user: root is who the service must not be');
  if (user.uid > MAX_ID || user.gid > MAX_ID) throw new Error(`--user: ${wish} is no user id`);
  return user;
}

/** Asks id(1), which knows all of nsswitch.conf(5), directory services included. */
function userOfThisMachine(nameOrId: string): ServiceUser | undefined {
  const [uid, gid] = ['-u', '-g'].map((which) => {
    const { status, stdout } = spawnSync('id', [which, '--', nameOrId], { encoding: 'utf8' });
    return status === 0 && /^\d+$/.test(stdout.trim()) ? Number(stdout) : undefined;
  });
  return uid === undefined || gid === undefined ? undefined : { uid, gid };
}
