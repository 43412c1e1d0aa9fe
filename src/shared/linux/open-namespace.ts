import { closeSync, constants, fstatSync, openSync, statSync } from 'node:fs';
import type { NetnsReference } from '../protocol/capture-spec.js';
import type { CaptureErrorCode } from '../protocol/capture-error.js';
import { findHolders } from './find-holders.js';
import { holderPath, type NamespaceHolder } from './holder.js';
import { readProcessStat } from './proc.js';

/** The namespace cannot be had, or is not what the reference says. */
export class NamespaceError extends Error {
  constructor(
    readonly code: Extract<CaptureErrorCode, 'no-such-namespace' | 'stale-reference' | 'not-permitted'>,
    message: string,
  ) {
    super(message);
    this.name = 'NamespaceError';
  }
}

export interface OpenNamespace {
  /** An open descriptor of the namespace; the caller closes it. */
  readonly fd: number;
  /** What held it when it was opened. */
  readonly holder: NamespaceHolder;
}

/**
 * Opens the network namespace that a reference means and verifies it on what was opened, so that nothing can
 * change in between.
 *
 * @throws NamespaceError
 */
export function openNamespace(procRoot: string, reference: NetnsReference): OpenNamespace {
  return reference.pid === undefined
    ? openWherever(procRoot, reference.netns)
    : openOfProcess(procRoot, reference.pid, reference);
}

/** With a process there is no need to search, and what is not true of it is stale. */
function openOfProcess(procRoot: string, pid: number, reference: NetnsReference): OpenNamespace {
  const holder: NamespaceHolder = { kind: 'process', pid };
  const fd = openIfNamespace(holderPath(procRoot, holder), reference.netns);
  if (fd === undefined) {
    throw new NamespaceError(
      'stale-reference',
      `process ${pid} is not in network namespace ${reference.netns}`,
    );
  }
  // Only now: a process that took over the number after the one that was meant ended has another start time.
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

function openWherever(procRoot: string, netns: number): OpenNamespace {
  let refused: Error | undefined;
  for (const holder of findHolders(procRoot, netns)) {
    try {
      const fd = openIfNamespace(holderPath(procRoot, holder), netns);
      if (fd !== undefined) return { fd, holder };
    } catch (error) {
      refused ??= error as Error; // this way is barred, another one may not be
    }
  }
  throw refused ?? new NamespaceError('no-such-namespace', `there is no network namespace ${netns}`);
}

/** Whether what held the namespace still does. */
export function stillHolds(procRoot: string, holder: NamespaceHolder, netns: number): boolean {
  return isNamespace(statIfThere(holderPath(procRoot, holder)), netns);
}

/** Another holder, after one has gone. */
export function findAnotherHolder(procRoot: string, netns: number): NamespaceHolder | undefined {
  for (const holder of findHolders(procRoot, netns)) {
    if (stillHolds(procRoot, holder, netns)) return holder;
  }
  return undefined;
}

/**
 * Opens a namespace by what holds it; the caller closes it.
 *
 * @returns undefined when that holder does not hold this namespace (any more)
 * @throws NamespaceError not-permitted
 */
export function openHolder(procRoot: string, holder: NamespaceHolder, netns: number): number | undefined {
  return openIfNamespace(holderPath(procRoot, holder), netns);
}

/** Not among Node's constants: open(2). */
const O_PATH = 0o10000000;

/**
 * Opens a path if that network namespace is there. The path may lead through the folders of a container that has
 * changed them meanwhile, to a device or a pipe: looking is done by O_PATH, which has no side effects, and only what
 * has proved to be the namespace is opened.
 *
 * @throws NamespaceError not-permitted
 */
function openIfNamespace(path: string, netns: number): number | undefined {
  const place = openIfThere(path, O_PATH);
  if (place === undefined) return undefined;
  try {
    if (!isNamespace(fstatSync(place), netns)) return undefined;
    return openIfThere(`/proc/self/fd/${place}`, constants.O_RDONLY);
  } finally {
    closeSync(place);
  }
}

function openIfThere(path: string, flags: number): number | undefined {
  try {
    return openSync(pathBytes(path), flags);
  } catch (error) {
    return handleMissing(error, path);
  }
}

function statIfThere(path: string): { dev: number; ino: number } | undefined {
  try {
    return statSync(pathBytes(path));
  } catch {
    return undefined;
  }
}

function handleMissing(error: unknown, path: string): undefined {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'EACCES' || code === 'EPERM') {
    throw new NamespaceError(
      'not-permitted',
      `the service may not open ${path} (${code}): it lacks SYS_PTRACE or is confined`,
    );
  }
  return undefined;
}

/** Paths from mountinfo hold raw bytes, one per character; see `findHolders`. */
function pathBytes(path: string): Buffer {
  return Buffer.from(path, 'latin1');
}

/** All namespaces are files of one file system, nsfs; another file may have the same inode number. */
let nsfsDevice: number | undefined;

function isNamespace(stat: { dev: number; ino: number } | undefined, netns: number): boolean {
  nsfsDevice ??= statSync('/proc/self/ns/net').dev;
  return stat?.ino === netns && stat.dev === nsfsDevice;
}
