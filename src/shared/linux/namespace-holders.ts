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
 * it, or an open descriptor of it. A socket that was made in it keeps it as well, but leads nobody there without CAP_NET_ADMIN
 * (SIOCGSKNS of linux/sockios.h), with which an engine could change the network.
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

/**
 * Finds processes that are in some network namespaces: one readlink(2) per process. Our own processes do not count, here and
 * in `findOtherHolders`: the descriptors of running captures must not keep their target alive.
 *
 * @param wanted inode numbers of the namespaces; those that the caller removes meanwhile are not searched any more
 */
export function* findProcesses(procRoot: string, wanted: ReadonlySet<number>): Generator<FoundHolder> {
  for (const pid of foreignProcesses(procRoot)) {
    const netns = linkedNamespace(`${procRoot}/${pid}/ns/net`);
    if (wanted.has(netns)) yield { netns, holder: { kind: 'process', pid } };
  }
}

/**
 * How many descriptors of a process are looked at. A process may have a million, and one that holds namespaces has opened
 * them early, or has few.
 */
const MAX_DESCRIPTORS = 16_384;

/**
 * Finds what else holds some network namespaces, in one search for all of them, the likeliest kinds first: bind mounts in any
 * mount namespace, threads, open descriptors. It looks at all threads and descriptors of the host, so it may take
 * seconds. What we are not permitted to read is left out.
 *
 * @param wanted as for `findProcesses`
 * @param check called often: it may throw, to end the search
 */
export function* findOtherHolders(
  procRoot: string,
  wanted: ReadonlySet<number>,
  check: () => void,
): Generator<FoundHolder> {
  const pids = foreignProcesses(procRoot);
  for (const mount of namespaceMounts(procRoot, withMountNamespaces(procRoot, pids, check))) {
    if (wanted.has(mount.netns)) yield mount;
  }
  // Our own engines have descriptors of the namespaces they capture from, and threads that enter them to open interfaces.
  const others = pids.filter((pid) => readProcessStat(procRoot, pid)?.parent !== process.ppid);
  for (const pid of others) {
    for (const tid of listOtherThreads(procRoot, pid)) {
      check();
      const netns = linkedNamespace(`${procRoot}/${pid}/task/${tid}/ns/net`);
      if (wanted.has(netns)) yield { netns, holder: { kind: 'thread', pid, tid } };
    }
  }
  for (const pid of others) {
    let left = MAX_DESCRIPTORS;
    for (const fd of listDescriptors(procRoot, pid)) {
      if (left-- === 0) break;
      check();
      const netns = linkedNamespace(`${procRoot}/${pid}/fd/${fd}`);
      if (wanted.has(netns)) yield { netns, holder: { kind: 'descriptor', pid, fd } };
    }
  }
}

function foreignProcesses(procRoot: string): number[] {
  return listProcesses(procRoot).filter((pid) => pid !== process.pid && pid !== process.ppid);
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
function* withMountNamespaces(
  procRoot: string,
  pids: readonly number[],
  check: () => void,
): Generator<ProcessWithMounts> {
  for (const pid of pids) {
    check();
    yield { pid, mountNamespace: readLink(`${procRoot}/${pid}/ns/mnt`) };
  }
}

/** 0, which no namespace has, if there is no such link. */
function linkedNamespace(path: string): number {
  const link = readLink(path);
  return (link === undefined ? undefined : parseNamespaceLink(link)) ?? 0;
}
