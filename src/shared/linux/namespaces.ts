/** Opening network namespaces, verifying them, and entering them for the length of a call. */
import { closeSync, constants, fstatSync, openSync, statSync } from 'node:fs';
import type { NetnsReference } from '../protocol/capture-spec.js';
import { setNetworkNamespace } from './libc.js';
import { findHolders, holderPath, type FoundHolder, type NamespaceHolder } from './namespace-holders.js';
import { O_PATH, readProcessStat } from './proc.js';

/** The namespace does not exist, cannot be opened, or is not the one that the reference describes. */
export class NamespaceError extends Error {
  constructor(
    readonly code: 'no-such-namespace' | 'stale-reference' | 'not-permitted',
    message: string,
  ) {
    super(message);
    this.name = 'NamespaceError';
  }
}

export interface OpenNamespace {
  /** An open descriptor of the namespace; the caller closes it. */
  readonly fd: number;
  /** What held the namespace when it was opened. */
  readonly holder: NamespaceHolder;
}

/**
 * Opens the network namespace that a reference describes. The checks are made on the opened namespace, so nothing can
 * change between check and use.
 *
 * @throws NamespaceError
 */
export function openNamespace(procRoot: string, reference: NetnsReference): OpenNamespace {
  return reference.pid === undefined
    ? openByAnyHolder(procRoot, reference.netns)
    : openByProcess(procRoot, reference.pid, reference);
}

/** With a process there is no need to search: where it does not match, the reference is stale. */
function openByProcess(procRoot: string, pid: number, reference: NetnsReference): OpenNamespace {
  const holder: NamespaceHolder = { kind: 'process', pid };
  const fd = openHolder(procRoot, holder, reference.netns);
  if (fd === undefined) {
    throw new NamespaceError(
      'stale-reference',
      `process ${pid} is not in network namespace ${reference.netns}`,
    );
  }
  // Compared after opening: a process that reused the id of the intended one has another start time.
  const startTime = readProcessStat(procRoot, pid)?.startTime;
  if (startTime === undefined || (reference.startTime !== undefined && startTime !== reference.startTime)) {
    closeSync(fd);
    throw new NamespaceError(
      'stale-reference',
      `process ${pid} is not the one that was meant: its start time differs`,
    );
  }
  return { fd, holder };
}

function openByAnyHolder(procRoot: string, netns: number): OpenNamespace {
  let refused: Error | undefined;
  for (const { holder } of findHolders(procRoot, new Set([netns]))) {
    try {
      const fd = openHolder(procRoot, holder, netns);
      if (fd !== undefined) return { fd, holder };
    } catch (error) {
      refused ??= error as Error; // not-permitted: another holder may be accessible
    }
  }
  throw refused ?? new NamespaceError('no-such-namespace', `there is no network namespace ${netns}`);
}

/**
 * What holds each of these namespaces now.
 *
 * @param last the holders that were found before; they are checked first, since searching takes up to 100 ms. All
 *   namespaces that have lost theirs share one search
 * @returns undefined for a namespace that nothing holds any more
 */
export function currentHolders(
  procRoot: string,
  last: readonly FoundHolder[],
): (NamespaceHolder | undefined)[] {
  const current = new Map<number, NamespaceHolder>();
  for (const { netns, holder } of last) if (holds(procRoot, holder, netns)) current.set(netns, holder);
  const lost = new Set(last.map(({ netns }) => netns).filter((netns) => !current.has(netns)));
  if (lost.size > 0) {
    for (const { netns, holder } of findHolders(procRoot, lost)) {
      if (!holds(procRoot, holder, netns)) continue;
      current.set(netns, holder);
      lost.delete(netns);
      if (lost.size === 0) break;
    }
  }
  return last.map(({ netns }) => current.get(netns));
}

function holds(procRoot: string, holder: NamespaceHolder, netns: number): boolean {
  try {
    return isNamespace(statSync(pathBytes(holderPath(procRoot, holder))), netns);
  } catch {
    return false; // ENOENT or ESRCH: the holder has ended; EACCES: we could not open the namespace by it either
  }
}

/**
 * Opens a namespace by what holds it; the caller closes it. The path may lead through directories of a container, which
 * may have been replaced by a device or a pipe meanwhile: an O_PATH descriptor has no side effects, and only what has
 * been identified as the namespace is opened for reading.
 *
 * @param netns inode number of the namespace
 * @returns undefined when the holder does not hold this namespace (any more)
 * @throws NamespaceError not-permitted
 */
export function openHolder(procRoot: string, holder: NamespaceHolder, netns: number): number | undefined {
  const place = openIfPresent(holderPath(procRoot, holder), O_PATH);
  if (place === undefined) return undefined;
  try {
    if (!isNamespace(fstatSync(place), netns)) return undefined;
    return openIfPresent(`/proc/self/fd/${place}`, constants.O_RDONLY);
  } finally {
    closeSync(place);
  }
}

function openIfPresent(path: string, flags: number): number | undefined {
  try {
    return openSync(pathBytes(path), flags);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EACCES' && code !== 'EPERM') return undefined; // ENOENT and the like: gone meanwhile
    throw new NamespaceError(
      'not-permitted',
      `the service may not open ${path} (${code}): it lacks SYS_PTRACE or is confined`,
    );
  }
}

/** Paths from mountinfo hold raw bytes, one per character; see `namespaceMounts`. */
function pathBytes(path: string): Buffer {
  return Buffer.from(path, 'latin1');
}

/** All namespaces are files of one file system, nsfs; a file of another one may have the same inode number. */
let nsfsDevice: number | undefined;

function isNamespace(stat: { dev: number; ino: number }, netns: number): boolean {
  nsfsDevice ??= statSync('/proc/self/ns/net').dev;
  return stat.ino === netns && stat.dev === nsfsDevice;
}

/** The network namespace to which a thread returns; each thread loads this module for itself. */
const ownNamespace = openSync('/proc/thread-self/ns/net', 'r');

/**
 * Calls a function in a network namespace. setns(2) moves the calling thread, so the function must not await anything.
 * A thread that cannot return would do everything that follows in the wrong namespace, so the process is killed then.
 *
 * @param fd open descriptor of the namespace
 * @throws SystemError
 */
export function inNamespace<T>(fd: number, call: () => T): T {
  setNetworkNamespace(fd);
  try {
    return call();
  } finally {
    try {
      setNetworkNamespace(ownNamespace);
    } catch {
      process.kill(process.pid, 'SIGKILL');
    }
  }
}
