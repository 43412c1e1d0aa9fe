import { lstatSync, readdirSync, statSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import { listDescriptors } from '../../shared/linux/proc.js';
import { isEngine, type EngineRoot } from './runtime-roots.js';
import { readLink, readText } from '../../shared/linux/proc.js';
import type { ProcessTable } from '../process-table.js';

/** Where an engine listens. */
export interface EngineSocket {
  /** As we reach it. */
  readonly path: string;
  /** Device and inode: the same socket may be reached by several paths. */
  readonly key: string;
  /** As its engine calls it. */
  readonly label: string;
  readonly outer?: string;
}

/** Docker's and Podman's, of the system and, without privileges, of users. */
const SYSTEM_SOCKETS = ['/run/docker.sock', '/run/podman/podman.sock', '/var/run/docker.sock'];
const USERS = '/run/user';
const USER_SOCKETS = ['docker.sock', 'podman/podman.sock'];
/** Engines have sockets for other purposes, too. */
const API_SOCKET_NAME = /(?:^|[/.-])(?:docker|podman)\.sock$/;
/** SO_ACCEPTCON among the flags of /proc/net/unix. */
const LISTENING = '00010000';

/** The sockets of Docker's and Podman's programming interface below some roots, each once. */
export function findEngineSockets(
  procRoot: string,
  roots: readonly EngineRoot[],
  table: ProcessTable,
): EngineSocket[] {
  const found = new Map<string, EngineSocket>();
  for (const root of roots) {
    const paths = [...SYSTEM_SOCKETS, ...userSockets(root), ...listeningSockets(procRoot, root, table)];
    for (const label of paths) {
      const key = socketKey(root, label);
      if (key === undefined || found.has(key)) continue;
      const path = `${root.path}${label}`;
      found.set(key, { path, key, label, ...(root.outer !== undefined && { outer: root.outer }) });
    }
  }
  return [...found.values()];
}

function userSockets(root: EngineRoot): string[] {
  if (!root.trusted) return [];
  try {
    return readdirSync(`${root.path}${USERS}`).flatMap((user) =>
      USER_SOCKETS.map((name) => join(USERS, user, name)),
    );
  } catch {
    return [];
  }
}

/** Engines can be told to listen elsewhere: what they really listen at tells the kernel. */
function listeningSockets(procRoot: string, root: EngineRoot, table: ProcessTable): string[] {
  const mountNamespace = readLink(`${procRoot}/${root.pid ?? 'self'}/ns/mnt`);
  const engines = [...table.values()].filter(
    (each) => isEngine(each) && each.mountNamespace === mountNamespace,
  );
  return engines.flatMap(({ pid }) => {
    const inodes = new Set(
      listDescriptors(procRoot, pid).map(
        (fd) => /^socket:\[(\d+)\]$/.exec(readLink(`${procRoot}/${pid}/fd/${fd}`) ?? '')?.[1],
      ),
    );
    return parseUnixSockets(readText(`${procRoot}/${pid}/net/unix`, 'utf8') ?? '')
      .filter(({ inode, path }) => inodes.has(inode) && API_SOCKET_NAME.test(path))
      .map(({ path }) => path);
  });
}

/**
 * Sockets that listen at a path.
 *
 * @param text content of /proc/PID/net/unix, see unix(7) and proc_pid_net(5)
 */
export function parseUnixSockets(text: string): { inode: string; path: string }[] {
  return text.split('\n').flatMap((line) => {
    const [, , , flags, , , inode, ...path] = line.split(/ +/);
    // An abstract name begins with @.
    return flags === LISTENING && inode && path[0]?.startsWith('/') ? [{ inode, path: path.join(' ') }] : [];
  });
}

function socketKey(root: EngineRoot, path: string): string | undefined {
  try {
    const stats = root.trusted ? statSync(`${root.path}${path}`) : statDirectly(root.path, path);
    return stats?.isSocket() ? `${stats.dev}:${stats.ino}` : undefined;
  } catch {
    return undefined; // there is none, or it is closed to us: then there is nothing to ask either
  }
}

/** An absolute link below /proc/PID/root would lead back to our own root: a container could point us anywhere. */
function statDirectly(root: string, path: string): Stats | undefined {
  let stats: Stats | undefined;
  let place = root;
  for (const component of path.split('/').slice(1)) {
    place = `${place}/${component}`;
    stats = lstatSync(place);
    if (stats.isSymbolicLink()) return undefined;
  }
  return stats;
}
