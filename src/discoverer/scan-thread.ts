/**
 * The thread that scans. Reading /proc and entering namespaces blocks it for some hundred milliseconds, and setns(2)
 * moves a thread, not a process. It encodes the result, too, so that the main thread only passes bytes on.
 */
import { parentPort } from 'node:worker_threads';
import { limitMemoryGrowth } from '../shared/linux/memory-limit.js';
import { readText } from '../shared/linux/proc.js';
import { LOADED } from '../shared/threads.js';
import { interfaceNames } from './interface-names.js';
import { Runtimes } from './runtimes/runtimes.js';
import { encodeResult, scan } from './scan.js';
import type { ScanReply } from './scanner.js';

/** Many times what a scan of a large host takes: what others make us read ends this process at worst, not the host. */
const MAX_GROWTH_BYTES = 1024 * 1024 * 1024;

// Here, because only this thread loads the native code that it takes. A thread that replaces another finds the limit set.
if (/^Max data size +unlimited /m.test(readText('/proc/self/limits') ?? ''))
  limitMemoryGrowth(MAX_GROWTH_BYTES);

const runtimes = new Runtimes();

parentPort?.on('message', () => {
  void scan({ procRoot: '/proc', runtimes, interfaceNames, supervisor: process.ppid }).then(
    (result) => {
      const document = encodeResult(result);
      const reply: ScanReply = { document, problems: result.problems };
      parentPort?.postMessage(reply, [document.buffer]);
    },
    (error: unknown) => parentPort?.postMessage({ error: String(error) } satisfies ScanReply),
  );
});
parentPort?.postMessage(LOADED);
