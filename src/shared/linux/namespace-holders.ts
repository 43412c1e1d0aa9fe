import {
  listDescriptors,
  listOtherThreads,
  listProcesses,
  parseNamespaceLink,
  parseNamespaceMounts,
  readLines,
  readLink,
  readProcessStat,
} from './proc.js';

/**
 * What keeps a network namespace in existence, see namespaces(7): a process or thread that is in it, a bind mount of
 * it, or an open descriptor of it.
 */
export type NamespaceHolder =
  | { readonly kind: 'process'; readonly pid: number }
  /** `path` as seen from the root of process `pid`. */
  | { readonly kind: 'mount'; readonly pid: number; readonly path: string }
  | { readonly kind: 'thread'; readonly pid: number; readonly tid: number }
  | { readonly kind: 'descriptor'; readonly pid: number; readonly fd: number };

/** A holder of the network namespace with that inode number. */
export interface FoundHolder {
  readonly netns: number;
  readonly holder: NamespaceHolder;
}

/** The path by which the namespace can be opened. */
export function holderPath(procRoot: string, holder: NamespaceHolder): string {
  switch (holder.kind) {
    case 'process':
      return `${procRoot}/${holder.pid}/ns/net`;
    case 'mount':
      return `${procRoot}/${holder.pid}/root${holder.path}`;
    case 'thread':
      return `${procRoot}/${holder.pid}/task/${holder.tid}/ns/net`;
    case 'descriptor':
      return `${procRoot}/${holder.pid}/fd/${holder.fd}`;
    default:
      return holder satisfies never;
  }
}

/**
 * Finds what holds some network namespaces, in one search for all of them, the likeliest kinds first: processes, bind mounts in any mount namespace,
 * threads, open descriptors. A kind is searched only when the caller asks for more, so the common case costs one
 * readlink(2) per process. What we are not permitted to read is left out. So are our own processes: the descriptors of
 * running captures must not keep their target alive.
 *
 * @param wanted inode numbers of the namespaces; those that the caller removes meanwhile are not searched any more
 */
export function* findHolders(procRoot: string, wanted: ReadonlySet<number>): Generator<FoundHolder> {
  const pids = listProcesses(procRoot).filter((pid) => pid !== process.pid && pid !== process.ppid);

  for (const pid of pids) {
    const netns = linkedNamespace(`${procRoot}/${pid}/ns/net`);
    if (wanted.has(netns)) yield { netns, holder: { kind: 'process', pid } };
  }
  for (const mount of namespaceMounts(procRoot, withMountNamespaces(procRoot, pids))) {
    if (wanted.has(mount.netns)) yield mount;
  }
  // Our own engines have descriptors of the namespaces they capture from, and threads that enter them to open interfaces.
  const others = pids.filter((pid) => readProcessStat(procRoot, pid)?.parent !== process.ppid);
  for (const pid of others) {
    for (const tid of listOtherThreads(procRoot, pid)) {
      const netns = linkedNamespace(`${procRoot}/${pid}/task/${tid}/ns/net`);
      if (wanted.has(netns)) yield { netns, holder: { kind: 'thread', pid, tid } };
    }
  }
  for (const pid of others) {
    for (const fd of listDescriptors(procRoot, pid)) {
      const netns = linkedNamespace(`${procRoot}/${pid}/fd/${fd}`);
      if (wanted.has(netns)) yield { netns, holder: { kind: 'descriptor', pid, fd } };
    }
  }
}

/** A bind mount that holds a network namespace. */
export interface HoldingMount {
  /** Inode number of the namespace. */
  readonly netns: number;
  readonly holder: Extract<NamespaceHolder, { kind: 'mount' }>;
}

/** A process and the target of its link `ns/mnt`; undefined where we may not read the link. */
export interface ProcessWithMounts {
  readonly pid: number;
  readonly mountNamespace: string | undefined;
}

/** The bind mounts of network namespaces in the mount namespaces of some processes; each mount namespace is read once. */
export function* namespaceMounts(
  procRoot: string,
  processes: Iterable<ProcessWithMounts>,
): Generator<HoldingMount> {
  const seen = new Set<string>();
  for (const { pid, mountNamespace } of processes) {
    if (!mountNamespace || seen.has(mountNamespace)) continue;
    // latin1 keeps every byte of a path as it is, whatever its encoding; see `pathBytes` in namespaces.ts.
    for (const { netns, path } of parseNamespaceMounts(
      // Where this one cannot be read, another process of the same mount namespace may be readable.
      observed(readLines(`${procRoot}/${pid}/mountinfo`), () => seen.add(mountNamespace)),
    )) {
      yield { netns, holder: { kind: 'mount', pid, path } };
    }
  }
}

function* observed<T>(values: Iterable<T>, onValue: () => void): Generator<T> {
  for (const value of values) {
    onValue();
    yield value;
  }
}

/** A generator, so that a caller that stops early does not pay for the links of all other processes. */
function* withMountNamespaces(procRoot: string, pids: readonly number[]): Generator<ProcessWithMounts> {
  for (const pid of pids) yield { pid, mountNamespace: readLink(`${procRoot}/${pid}/ns/mnt`) };
}

/** 0, which no namespace has, if there is no such link. */
function linkedNamespace(path: string): number {
  const link = readLink(path);
  return (link === undefined ? undefined : parseNamespaceLink(link)) ?? 0;
}
