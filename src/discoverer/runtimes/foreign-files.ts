/** Reading file systems that others control: of containers, and the folders of users. */
import { closeSync, constants, fstatSync, openSync, type Stats } from 'node:fs';
import { namesIn, O_PATH, parseMounts, readLines, readUpTo } from '../../shared/linux/proc.js';

/** The root directory of a file system. */
export interface FileRoot {
  /** Put before absolute paths in it; empty: our own root directory. */
  readonly path: string;
  /** Whether symbolic links in it can be followed. A container may have made links that lead out of it. */
  readonly followsLinks: boolean;
  /** Path of its mountinfo, see proc_pid_mountinfo(5): where links are not followed, nor are mounts that may never answer. */
  readonly mountinfo?: string;
}

/** The root of a process in a container, or of a user: no link is followed in it. */
export function foreignRoot(procRoot: string, pid: number): FileRoot {
  const process = `${procRoot}/${pid}`;
  return { path: `${process}/root`, followsLinks: false, mountinfo: `${process}/mountinfo` };
}

/**
 * Types of file systems that ask a process or another host. If that never answers, a thread that opens a path in such a file
 * system hangs for ever.
 */
const MAY_NOT_ANSWER = /^(?:fuse|fuseblk|nfs4?|cifs|smb3|9p|ceph|afs|coda|virtiofs)(?:\.|$)/;

/** Mount points of such file systems. A root is made for one scan, and its mountinfo is read once. */
const silentMounts = new WeakMap<FileRoot, readonly string[]>();

function mayNotAnswer(root: FileRoot, path: string): boolean {
  const { followsLinks, mountinfo } = root;
  if (followsLinks || mountinfo === undefined) return false;
  let mounts = silentMounts.get(root);
  if (!mounts) {
    const found = parseMounts(readLines(mountinfo), (type) => MAY_NOT_ANSWER.test(type));
    mounts = Array.from(found, (mount) => mount.path);
    silentMounts.set(root, mounts);
  }
  return mounts.some((mount) => isWithin(path, mount));
}

function isWithin(path: string, folder: string): boolean {
  return folder === '/' || path === folder || path.startsWith(`${folder}/`);
}

/** An open descriptor of a path, with O_PATH: it has no side effects, whatever is there. The caller closes it. */
export interface OpenPath {
  readonly fd: number;
  readonly stats: Stats;
}

/** The path by which to open, or to connect to, what a descriptor refers to: that cannot be replaced in the meantime. */
export function pathOfDescriptor(fd: number): string {
  return `/proc/self/fd/${fd}`;
}

/**
 * Opens a path. Where links may not be followed, none is, in any component: an absolute link below /proc/PID/root leads to
 * our own root, so a container could make us read any file, or connect to any socket.
 *
 * @param path absolute, in that root
 * @returns undefined when there is nothing, or it is in a file system that may not answer
 */
export function openForeign(root: FileRoot, path: string): OpenPath | undefined {
  let fd: number | undefined;
  try {
    if (mayNotAnswer(root, path)) return undefined;
    fd = root.followsLinks ? openSync(root.path + path, O_PATH) : openWithoutLinks(root.path, path);
    if (fd === undefined) return undefined;
    return { fd, stats: fstatSync(fd) };
  } catch {
    if (fd !== undefined) closeSync(fd);
    return undefined; // ENOENT or ENOTDIR; ELOOP; EACCES; EMFILE
  }
}

function openWithoutLinks(root: string, path: string): number | undefined {
  const components = path.split('/').filter((component) => component !== '' && component !== '.');
  if (components.includes('..')) return undefined;
  let fd = openSync(root === '' ? '/' : root, O_PATH | constants.O_DIRECTORY);
  for (const [index, component] of components.entries()) {
    const isLast = index === components.length - 1;
    const flags = O_PATH | constants.O_NOFOLLOW | (isLast ? 0 : constants.O_DIRECTORY);
    try {
      const next = openSync(`${pathOfDescriptor(fd)}/${component}`, flags);
      closeSync(fd);
      fd = next;
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }
  return fd;
}

/**
 * Reads a small regular file. There may be another kind of file in its place: a FIFO, at which open(2) would block, or a
 * device that notices open(2).
 *
 * @returns undefined when there is no such regular file, or it is larger
 */
export function readForeignFile(root: FileRoot, path: string, maxBytes: number): string | undefined {
  const place = openForeign(root, path);
  if (!place) return undefined;
  try {
    if (!place.stats.isFile() || place.stats.size > maxBytes) return undefined;
    // It may grow in the meantime.
    return readUpTo(pathOfDescriptor(place.fd), maxBytes).toString('utf8');
  } catch {
    return undefined; // EACCES
  } finally {
    closeSync(place.fd);
  }
}

/** The names in a folder, at most `max` of them; none when there is no such folder. */
export function listForeignFolder(root: FileRoot, path: string, max: number): string[] {
  const place = openForeign(root, path);
  if (!place) return [];
  try {
    const names: string[] = [];
    for (const name of namesIn(pathOfDescriptor(place.fd))) {
      if (names.push(name) >= max) break;
    }
    return names;
  } finally {
    closeSync(place.fd);
  }
}
