import { readlinkSync } from 'node:fs';
import { Child } from './child.js';
import { eventually } from './eventually.js';
import { NetworkNamespace } from './namespace.js';

const THREAD_PROGRAM = new URL('./programs/thread-in-namespace.ts', import.meta.url).pathname;

/** A namespace that is kept alive by a process. */
export async function namespaceOfProcess(): Promise<NetworkNamespace & { readonly pid: number }> {
  const child = await Child.start('unshare', ['--net', 'sleep', 'infinity']);
  const path = `/proc/${child.pid}/ns/net`;
  await eventually('a process in a separate namespace', () => differsFromOurs(path));
  const namespace = await NetworkNamespace.heldBy({ path, release: () => child[Symbol.asyncDispose]() });
  return Object.assign(namespace, { pid: child.pid });
}

/** A namespace that is kept alive by one thread of a process whose other threads are in other namespaces. */
export async function namespaceOfThread(): Promise<NetworkNamespace> {
  const child = await Child.start(process.execPath, [THREAD_PROGRAM]);
  const [, tid] = await child.saying(/thread (\d+)/);
  return NetworkNamespace.heldBy({
    path: `/proc/${child.pid}/task/${tid}/ns/net`,
    release: () => child[Symbol.asyncDispose](),
  });
}

/** A namespace that is kept alive by a bind mount in the mount namespace of another process. */
export async function namespaceOfPrivateMount(): Promise<NetworkNamespace> {
  const script = [
    'mount -t tmpfs tmpfs /mnt',
    'touch /mnt/net',
    'unshare --net=/mnt/net true',
    'echo mounted',
    'exec sleep infinity',
  ].join(' && ');
  const child = await Child.start('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', script]);
  await child.saying(/mounted/);
  return NetworkNamespace.heldBy({
    path: `/proc/${child.pid}/root/mnt/net`,
    release: () => child[Symbol.asyncDispose](),
  });
}

/** A namespace that is kept alive by an open file descriptor only. */
export async function namespaceOfDescriptor(): Promise<NetworkNamespace> {
  await using first = await namespaceOfProcess();
  const script = `exec 3<${first.path} && echo open && exec sleep infinity`;
  const child = await Child.start('sh', ['-c', script]);
  await child.saying(/open/);
  return NetworkNamespace.heldBy({
    path: `/proc/${child.pid}/fd/3`,
    release: () => child[Symbol.asyncDispose](),
  });
}

function differsFromOurs(path: string): boolean {
  return readlinkSync(path) !== readlinkSync('/proc/self/ns/net');
}
