import { lstatSync, readdirSync, statSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import { listDescriptors, readLink, readText } from '../../shared/linux/proc.js';
import type { ProcessTable } from '../process-table.js';
import { isRuntime, type RuntimeRoot } from './roots.js';

/** A unix socket at which Docker or Podman serves its HTTP API. */
export interface RuntimeSocket {
  /** The path by which we reach it. */
  readonly path: string;
  /** Device and inode number, because several paths may lead to the same socket. */
  readonly key: string;
  /** Its path in the file system of the runtime. */
  readonly label: string;
  /** Id of the container that the runtime runs in. */
  readonly outer?: string;
}

/** The default paths of Docker and Podman, of the system and of users (rootless). */
const SYSTEM_SOCKETS = ['/run/docker.sock', '/run/podman/podman.sock', '/var/run/docker.sock'];
const USERS = '/run/user';
const USER_SOCKETS = ['docker.sock', 'podman/podman.sock'];
/** Runtimes have sockets for other purposes, too. */
const API_SOCKET_NAME = /(?:^|[/.-])(?:docker|podman)\.sock$/;
/** SO_ACCEPTCON among the flags of /proc/net/unix. */
const LISTENING = '00010000';

/** Finds the API sockets of Docker and Podman below some roots, each once. */
export function findRuntimeSockets(
  procRoot: string,
  roots: readonly RuntimeRoot[],
  table: ProcessTable,
): RuntimeSocket[] {
  const found = new Map<string, RuntimeSocket>();
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

function userSockets(root: RuntimeRoot): string[] {
  if (!root.trusted) return [];
  try {
    return readdirSync(`${root.path}${USERS}`).flatMap((user) =>
      USER_SOCKETS.map((name) => join(USERS, user, name)),
    );
  } catch {
    return []; // ENOENT: this system has no such folder
  }
}

/** Runtimes can be configured to listen at other paths: the kernel lists those that they do listen at. */
function listeningSockets(procRoot: string, root: RuntimeRoot, table: ProcessTable): string[] {
  const mountNamespace = readLink(`${procRoot}/${root.pid ?? 'self'}/ns/mnt`);
  const runtimes = [...table.values()].filter(
    (each) => isRuntime(each) && each.mountNamespace === mountNamespace,
  );
  return runtimes.flatMap(({ pid }) => {
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
 * Lists the sockets that listen at a path.
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

function socketKey(root: RuntimeRoot, path: string): string | undefined {
  try {
    const stats = root.trusted ? statSync(`${root.path}${path}`) : statWithoutLinks(root.path, path);
    return stats?.isSocket() ? `${stats.dev}:${stats.ino}` : undefined;
  } catch {
    return undefined; // ENOENT: there is no socket; EACCES: then we could not connect either
  }
}

/**
 * Refuses symbolic links in a container's file system: an absolute link below /proc/PID/root leads to our own root, so
 * a container could make us connect to any socket.
 */
function statWithoutLinks(root: string, path: string): Stats | undefined {
  let stats: Stats | undefined;
  let place = root;
  for (const component of path.split('/').slice(1)) {
    place = `${place}/${component}`;
    stats = lstatSync(place);
    if (stats.isSymbolicLink()) return undefined;
  }
  return stats;
}
