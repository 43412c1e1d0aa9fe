/** Opening network namespaces, verifying them, and entering them for the length of a call. */
import { closeSync, constants, openSync } from 'node:fs';
import type { NetnsReference } from '../protocol/capture-spec.js';
import { cachedStat, openCached, setNetworkNamespace, type SystemError } from './libc.js';
import {
  findOtherHolders,
  findProcesses,
  type FoundHolder,
  type NamespaceHolder,
} from './namespace-holders.js';
import { O_PATH, readProcessStat, throwIfExhausted } from './proc.js';

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
 * @param holder what to open it by; absent: the process of the reference, or any process in that namespace
 * @throws NamespaceError
 */
export function openNamespace(
  procRoot: string,
  reference: NetnsReference,
  holder?: NamespaceHolder,
): OpenNamespace {
  if (reference.pid !== undefined) return openByProcess(procRoot, reference.pid, reference);
  const { netns } = reference;
  const holders = holder ? [{ netns, holder }] : findProcesses(procRoot, new Set([netns]));
  const { found, refusal } = firstThatOpens(procRoot, holders);
  if (found) return found;
  if (refusal) throw refusal;
  throw new NamespaceError('no-such-namespace', `there is no network namespace ${netns}`);
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
  try {
    // Compared after opening: a process that reused the id of the intended one has another start time.
    const startTime = readProcessStat(procRoot, pid)?.startTime;
    if (startTime === undefined || (reference.startTime !== undefined && startTime !== reference.startTime)) {
      throw new NamespaceError(
        'stale-reference',
        `process ${pid} is not the one that was meant: its start time differs`,
      );
    }
    return { fd, holder };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** @returns the first namespace that can be opened, or else why one could not */
function firstThatOpens(
  procRoot: string,
  holders: Iterable<FoundHolder>,
): { readonly found?: OpenNamespace; readonly refusal?: NamespaceError } {
  let refusal: NamespaceError | undefined;
  for (const { netns, holder } of holders) {
    try {
      const fd = openHolder(procRoot, holder, netns);
      if (fd !== undefined) return { found: { fd, holder } };
    } catch (error) {
      if (!(error instanceof NamespaceError)) throw error;
      refusal ??= error; // another holder may be accessible
    }
  }
  return { refusal };
}

/** What a search has found for a namespace. */
export interface SearchOutcome {
  /** By which the namespace can be opened. */
  readonly holder?: NamespaceHolder;
  /** Why what holds the namespace cannot be opened. */
  readonly refusal?: string;
  /** Whether the search got to its end, or has found something. */
  readonly isComplete: boolean;
}

/** A check that throws it ends a search. */
class OutOfTime extends Error {}

/** How often the CPU time is read, which takes as long as looking at a descriptor. */
const CPU_TIME_INTERVAL_MS = 10;

/** CPU time of this thread so far, in ms. */
function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

/**
 * Searches for what holds some network namespaces, besides processes in them; see `findOtherHolders`.
 *
 * @param wanted inode numbers
 * @param maxCpuMs how much CPU time of this thread it may take, in ms
 * @returns one outcome for each, in the same order
 */
export function searchNamespaces(
  procRoot: string,
  wanted: readonly number[],
  maxCpuMs: number,
): SearchOutcome[] {
  const began = cpuMs();
  let lookedAt = performance.now();
  const left = new Set(wanted);
  const outcomes = new Map<number, SearchOutcome>();
  let isComplete = true;
  try {
    const check = (): void => {
      const now = performance.now();
      if (now - lookedAt < CPU_TIME_INTERVAL_MS) return;
      lookedAt = now;
      if (cpuMs() - began > maxCpuMs) throw new OutOfTime();
    };
    for (const each of findOtherHolders(procRoot, left, check)) {
      const { found, refusal } = firstThatOpens(procRoot, [each]);
      if (found) {
        closeSync(found.fd);
        outcomes.set(each.netns, { holder: each.holder, isComplete: true });
        left.delete(each.netns);
        if (left.size === 0) break;
      } else if (refusal) {
        outcomes.set(each.netns, { refusal: refusal.message, isComplete: true });
      }
    }
  } catch (error) {
    if (!(error instanceof OutOfTime)) throw error;
    isComplete = false;
  }
  return wanted.map((netns) => outcomes.get(netns) ?? { isComplete });
}

/**
 * What holds each of these namespaces now: what did last, or else a process that is in it.
 *
 * @returns undefined for a namespace for which neither holds
 */
export function currentHolders(
  procRoot: string,
  last: readonly FoundHolder[],
): (NamespaceHolder | undefined)[] {
  const current = new Map<number, NamespaceHolder>();
  for (const { netns, holder } of last) if (holds(procRoot, holder, netns)) current.set(netns, holder);
  const lost = new Set(last.map(({ netns }) => netns).filter((netns) => !current.has(netns)));
  if (lost.size > 0) {
    for (const { netns, holder } of findProcesses(procRoot, lost)) {
      current.set(netns, holder);
      lost.delete(netns);
      if (lost.size === 0) break;
    }
  }
  return last.map(({ netns }) => current.get(netns));
}

function holds(procRoot: string, holder: NamespaceHolder, netns: number): boolean {
  try {
    const place = openVerifiedPlace(procRoot, holder, netns);
    if (place !== undefined) closeSync(place);
    return place !== undefined;
  } catch (error) {
    throwIfExhausted(error);
    return false; // we could not open the namespace by it either
  }
}

/**
 * Opens a namespace by what holds it; the caller closes it. The path may lead through directories of a container, which
 * may have been replaced by a device or a pipe meanwhile, or by a file system that never answers: an O_PATH descriptor has no
 * side effects, and only what has been identified as the namespace is opened for reading.
 *
 * @param netns inode number of the namespace
 * @returns undefined when the holder does not hold this namespace (any more)
 * @throws NamespaceError not-permitted
 */
export function openHolder(procRoot: string, holder: NamespaceHolder, netns: number): number | undefined {
  const place = openVerifiedPlace(procRoot, holder, netns);
  if (place === undefined) return undefined;
  try {
    return openIfPresent(`/proc/self/fd/${place}`, constants.O_RDONLY);
  } finally {
    closeSync(place);
  }
}

/** @returns an O_PATH descriptor of the namespace; undefined when the holder does not hold it (any more) */
function openVerifiedPlace(procRoot: string, holder: NamespaceHolder, netns: number): number | undefined {
  const place = openPlace(procRoot, holder);
  if (place === undefined || isNamespace(place, netns)) return place;
  closeSync(place);
  return undefined;
}

function openPlace(procRoot: string, holder: NamespaceHolder): number | undefined {
  switch (holder.kind) {
    case 'process':
      return openIfPresent(`${procRoot}/${holder.pid}/ns/net`, O_PATH);
    case 'mount':
      return openMountPoint(procRoot, holder.pid, holder.path);
    case 'thread':
      return openIfPresent(`${procRoot}/${holder.pid}/task/${holder.tid}/ns/net`, O_PATH);
    case 'descriptor':
      return openIfPresent(`${procRoot}/${holder.pid}/fd/${holder.fd}`, O_PATH);
    default:
      return holder satisfies never;
  }
}

/** Opens a mount point, with O_PATH, which the kernel has in memory as long as something is mounted there. */
function openMountPoint(procRoot: string, pid: number, path: string): number | undefined {
  const root = openIfPresent(`${procRoot}/${pid}/root`, O_PATH);
  if (root === undefined) return undefined;
  try {
    return openFromMemory(root, path);
  } catch (error) {
    const { code } = error as SystemError;
    if (NOT_AVAILABLE.has(code)) return openIfPresent(`${procRoot}/${pid}/root${path}`, O_PATH);
    if (code !== 'EAGAIN') return absent(error as SystemError, path);
    throw new NamespaceError('not-permitted', `${path} may be in a file system that does not answer`);
  } finally {
    closeSync(root);
  }
}

/** Codes of openat2(2) before Linux 5.12, and under seccomp profiles that do not know it. */
const NOT_AVAILABLE: ReadonlySet<string> = new Set(['ENOSYS', 'EINVAL', 'EPERM']);
/** EAGAIN of openat2(2) may also mean that directories or mounts were changing. */
const ATTEMPTS = 10;

function openFromMemory(root: number, path: string): number {
  const relative = pathBytes(path.replace(/^\/+/, ''));
  for (let attempt = 1; ; attempt++) {
    try {
      return openCached(root, relative, O_PATH);
    } catch (error) {
      if ((error as SystemError).code !== 'EAGAIN' || attempt === ATTEMPTS) throw error;
    }
  }
}

function openIfPresent(path: string, flags: number): number | undefined {
  for (let attempt = 1; ; attempt++) {
    try {
      return openSync(pathBytes(path), flags);
    } catch (error) {
      // Also what the kernel says when the process ends while it follows the link (proc_ns_get_link()): then it is gone now.
      const mayHaveEnded = (error as NodeJS.ErrnoException).code === 'EACCES' && attempt === 1;
      if (!mayHaveEnded) return absent(error as NodeJS.ErrnoException, path);
    }
  }
}

/** @throws NamespaceError we may not open it; the error itself, when this process or the host lacks resources */
function absent(error: NodeJS.ErrnoException, path: string): undefined {
  throwIfExhausted(error);
  const { code = '' } = error;
  if (code !== 'EACCES' && code !== 'EPERM') return undefined; // ENOENT and the like: gone meanwhile
  throw new NamespaceError(
    'not-permitted',
    `the service may not open ${path} (${code}): it lacks SYS_PTRACE or is confined`,
  );
}

/** Paths from mountinfo hold raw bytes, one per character; see `namespaceMounts`. */
function pathBytes(path: string): Buffer {
  return Buffer.from(path, 'latin1');
}

/** The network namespace to which a thread returns; each thread loads this module for itself. */
const ownNamespace = openSync('/proc/thread-self/ns/net', 'r');

/** All namespaces are files of one file system, nsfs; a file of another one may have the same inode number. */
const nsfsDevice = cachedStat(ownNamespace).dev;

function isNamespace(fd: number, netns: number): boolean {
  const { ino, dev } = cachedStat(fd);
  return ino === netns && dev === nsfsDevice;
}

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
