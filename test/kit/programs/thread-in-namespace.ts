/**
 * Moves one thread of this process into a new network namespace, prints its thread ID, and runs until it is killed. Node
 * runs it without a compiler, so that only erasable types are allowed.
 */
import { isMainThread, Worker } from 'node:worker_threads';
import koffi from 'koffi';

const CLONE_NEWNET = 0x4000_0000;

if (isMainThread) {
  new Worker(new URL(import.meta.url));
} else {
  const libc = koffi.load('libc.so.6');
  const unshare = libc.func('int unshare(int flags)') as (flags: number) => number;
  const gettid = libc.func('int gettid()') as () => number;
  if (unshare(CLONE_NEWNET) !== 0) {
    throw new Error(`unshare: errno ${koffi.errno()}`);
  }
  console.log(`thread ${gettid()}`);
  setInterval(() => undefined, 1_000_000);
}
