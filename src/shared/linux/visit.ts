import { openSync } from 'node:fs';
import { setNetworkNamespace } from './libc.js';

/** The way back, of the thread that has loaded this module: each has its own. */
let home: number | undefined;

/**
 * Runs something in a network namespace. setns(2) moves the calling thread, so `visit` must not wait for anything; and
 * a thread that cannot come back must not do anything any more.
 *
 * @param fd open descriptor of the namespace
 * @throws SystemError
 */
export function inNamespace<T>(fd: number, visit: () => T): T {
  home ??= openSync('/proc/thread-self/ns/net', 'r');
  setNetworkNamespace(fd);
  try {
    return visit();
  } finally {
    try {
      setNetworkNamespace(home);
    } catch {
      process.kill(process.pid, 'SIGKILL');
    }
  }
}
