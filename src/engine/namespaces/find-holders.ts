import { readFileSync, readlinkSync } from 'node:fs';
import type { NamespaceHolder } from './holder.js';
import {
  listDescriptors,
  listOtherThreads,
  listProcesses,
  parseNamespaceLink,
  parseNamespaceMounts,
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
  yield* findMounts(procRoot, netns, pids);
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

function* findMounts(procRoot: string, netns: number, pids: readonly number[]): Generator<NamespaceHolder> {
  const seen = new Set<string>();
  for (const pid of pids) {
    const mountNamespace = readLink(`${procRoot}/${pid}/ns/mnt`);
    if (mountNamespace === undefined || seen.has(mountNamespace)) continue;
    let mountinfo: string;
    try {
      // latin1 keeps every byte of a path as it is, whatever its encoding; see `holderPath`.
      mountinfo = readFileSync(`${procRoot}/${pid}/mountinfo`, 'latin1');
    } catch {
      continue; // this process has gone; another one of the same mount namespace may do
    }
    seen.add(mountNamespace);
    for (const mount of parseNamespaceMounts(mountinfo)) {
      if (mount.netns === netns) yield { kind: 'mount', pid, path: mount.path };
    }
  }
}

function linkedNamespace(path: string): number | undefined {
  const link = readLink(path);
  return link === undefined ? undefined : parseNamespaceLink(link);
}

function readLink(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
