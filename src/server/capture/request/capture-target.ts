/**
 * What a client wants to capture from, after validation: the `container` object of the API, or just an inode
 * number. Zero, empty and null of the wire are absent here.
 *
 * @publicApi
 */
export interface CaptureTarget {
  /** Inode number of the network namespace. */
  readonly netns?: number;
  /** Root process of one of the containers attached to `netns`. */
  readonly pid?: number;
  /** Start time of that process: field 22 of proc_pid_stat(5), in clock ticks since boot. */
  readonly startTime?: number;
  /** Pod, container, process or bind mount name. */
  readonly name?: string;
  /** Tells apart same names of several engines, as in Docker-in-Docker; usually empty. */
  readonly prefix: string;
  /** `docker`, `containerd`, `podman`, `pod`, `proc`, `bindmount`, ... */
  readonly type: string;
  readonly nodeName: string;
  readonly cluster?: { readonly context: string; readonly uid: string };
  /** Interfaces that the client knows of; empty: all. */
  readonly interfaces: readonly string[];
}
