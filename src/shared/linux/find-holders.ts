import type { NamespaceHolder } from './holder.js';
import { namespaceMounts, type ProcessWithMounts } from './namespace-mounts.js';
import {
  listDescriptors,
  listOtherThreads,
  listProcesses,
  parseNamespaceLink,
  readLink,
  readProcessStat,
} from './proc.js';

/**
 * Finds what holds a network namespace, in order of likelihood: processes, bind mounts in any mount namespace,
 * threads, open descriptors. Each source is looked at only when the caller asks for more, so the common case costs one
 * readlink per process. What may not be looked at does not count, and neither do our own processes: the
 * descriptors of running captures must not keep their target alive.
 *
 * @param netns inode number of the namespace
 */
export function* findHolders(procRoot: string, netns: number): Generator<NamespaceHolder> {
  const pids = listProcesses(procRoot).filter((pid) => pid !== process.pid && pid !== process.ppid);

  for (const pid of pids) {
    if (linkedNamespace(`${procRoot}/${pid}/ns/net`) === netns) yield { kind: 'process', pid };
  }
  for (const mount of namespaceMounts(procRoot, withMountNamespaces(procRoot, pids))) {
    if (mount.netns === netns) yield mount.holder;
  }
  // Our own engines have descriptors of what they capture from, and threads that visit it to open an interface.
  const others = pids.filter((pid) => readProcessStat(procRoot, pid)?.parent !== process.ppid);
  for (const pid of others) {
    for (const tid of listOtherThreads(procRoot, pid)) {
      if (linkedNamespace(`${procRoot}/${pid}/task/${tid}/ns/net`) === netns)
        yield { kind: 'thread', pid, tid };
    }
  }
  for (const pid of others) {
    for (const fd of listDescriptors(procRoot, pid)) {
      if (linkedNamespace(`${procRoot}/${pid}/fd/${fd}`) === netns) yield { kind: 'descriptor', pid, fd };
    }
  }
}

/** One by one: whoever finds an early one spares itself the links of all others. */
function* withMountNamespaces(procRoot: string, pids: readonly number[]): Generator<ProcessWithMounts> {
  for (const pid of pids) yield { pid, mountNamespace: readLink(`${procRoot}/${pid}/ns/mnt`) };
}

function linkedNamespace(path: string): number | undefined {
  const link = readLink(path);
  return link === undefined ? undefined : parseNamespaceLink(link);
}
