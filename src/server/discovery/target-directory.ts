/**
 * One thing that can be captured from, as a directory lists it.
 *
 * @publicApi
 */
export interface DirectoryEntry {
  /** Container name, `namespace/name` of a pod, `comm(pid)` of a process, or a bind mount's paths joined by `:`. */
  readonly name: string;
  /** Tells apart same names of several engines, as in Docker-in-Docker; usually empty. */
  readonly prefix: string;
  /** `docker`, `containerd`, `podman`, `pod`, `proc`, `bindmount`, ... */
  readonly type: string;
  /** Inode number of the network namespace. */
  readonly netns: number;
  /** A process in that namespace; 0: none. */
  readonly pid: number;
  /** Its start time, field 22 of proc_pid_stat(5), in clock ticks; 0: unknown. */
  readonly startTime: number;
  readonly interfaces: readonly string[];
}

/** How a directory is to be asked. */
export interface FindOptions {
  /**
   * The answer must have been gathered after this call: the last one has proved stale. Neither a cache will do nor
   * an answer that is already under way to somebody else.
   */
  readonly fresh?: boolean;
}

/**
 * Port: knows what there is to capture from. Swap it with `CaptureModule.register({ targetDirectory })`; run
 * `test/contracts/target-directory.contract.ts` on your own.
 *
 * @publicApi
 */
export abstract class TargetDirectory {
  /**
   * All entries of that name and prefix, as `isNamed` has it; none: an empty list.
   *
   * @param signal aborted when the asker has gone; the call then rejects with the signal's reason
   * @throws TargetDirectoryError when the directory cannot be asked, or its answer makes no sense
   */
  abstract find(
    name: string,
    prefix: string,
    signal?: AbortSignal,
    options?: FindOptions,
  ): Promise<DirectoryEntry[]>;

  /**
   * All that there is.
   *
   * @param signal aborted when the asker has gone; the call then rejects with the signal's reason
   * @throws TargetDirectoryError when the directory cannot be asked, or its answer makes no sense
   */
  abstract list(signal?: AbortSignal): Promise<DirectoryEntry[]>;
}

/** Pods go by their name alone: GhostWire lists them without the prefix that its own page sends for them. */
export function isNamed(entry: DirectoryEntry, name: string, prefix: string): boolean {
  return entry.name === name && (entry.prefix === prefix || entry.type === 'pod');
}

/**
 * `unreachable`: there is nobody to ask, so that another directory may answer instead. `failed`: there is, but
 * the answer is late or nonsense.
 */
export type TargetDirectoryFailure = 'unreachable' | 'failed';

/**
 * The directory could not be asked, or answered nonsense; the message says which, for the client's user.
 *
 * @publicApi
 */
export class TargetDirectoryError extends Error {
  readonly reason: TargetDirectoryFailure;

  constructor(message: string, options: ErrorOptions & { reason?: TargetDirectoryFailure } = {}) {
    super(message, options);
    this.name = 'TargetDirectoryError';
    this.reason = options.reason ?? 'failed';
  }
}
