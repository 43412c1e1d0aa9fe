/** One thing that can be captured from, as a directory lists it. */
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

/**
 * Port: knows what there is to capture from. Swap it with `CaptureModule.register({ targetDirectory })`.
 *
 * @publicApi
 */
export abstract class TargetDirectory {
  /**
   * All entries of that name and prefix; none: an empty list.
   *
   * @throws TargetDirectoryError when the directory cannot be asked
   */
  abstract find(name: string, prefix: string, signal?: AbortSignal): Promise<DirectoryEntry[]>;

  /**
   * All that there is.
   *
   * @throws TargetDirectoryError when the directory cannot be asked
   */
  abstract list(signal?: AbortSignal): Promise<DirectoryEntry[]>;
}

/** The directory could not be asked, or answered nonsense; the message says which, for the client's user. */
export class TargetDirectoryError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'TargetDirectoryError';
  }
}
