/** Something to capture from, under the names that GhostWire's `/mobyshark` has for its facts. */
export interface Target {
  /** As its engine calls it, `namespace/name` of a pod, `comm(pid)` of a process, or paths joined by `:`. */
  readonly name: string;
  /** `docker`, `podman`, `containerd`, `lxc`, `nspawn`, `pod`, `proc` or `bindmount`. */
  readonly type: string;
  /** Inode number of the network namespace. */
  readonly netns: number;
  /** Those that are up. */
  readonly 'network-interfaces': readonly string[];
  /** Root process; 0: none. */
  readonly pid: number;
  /** Its start time in clock ticks, field 22 of proc_pid_stat(5); 0: there is no process. */
  readonly starttime: number;
  /** Of containers whose engine runs in a container itself: the name of that. */
  readonly prefix: string;
}

/** What one look around has found. */
export interface Findings {
  readonly targets: readonly Target[];
  /** Readable sentences about what could not be looked at. */
  readonly problems: readonly string[];
}
