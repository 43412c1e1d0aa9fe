/**
 * The thread that scans. Reading /proc and entering namespaces blocks it for some hundred milliseconds, and setns(2)
 * moves a thread, not a process. It encodes the result, too, so that the main thread only passes bytes on.
 */
import { parentPort } from 'node:worker_threads';
import { limitMemoryGrowth } from '../shared/linux/memory-limit.js';
import { readText } from '../shared/linux/proc.js';
import { LOADED } from '../shared/threads.js';
import { interfaceNames } from './interface-names.js';
import { ChangeDetector } from './change-detector.js';
import { RuntimeEvents } from './runtimes/runtime-events.js';
import { Runtimes } from './runtimes/runtimes.js';
import { encodeResult, scan } from './scan.js';
import { RUNTIME_EVENT, type ScanReply, type ScanRequest } from './scanner.js';

/** Many times what a scan of a large host takes: what others make us read ends this process at worst, not the host. */
const MAX_GROWTH_BYTES = 1024 * 1024 * 1024;

// Here, because only this thread loads the native code that it takes. A thread that replaces another finds the limit set.
if (/^Max data size +unlimited /m.test(readText('/proc/self/limits') ?? ''))
  limitMemoryGrowth(MAX_GROWTH_BYTES);

const PROC = '/proc';
const events = new RuntimeEvents(() => parentPort?.postMessage(RUNTIME_EVENT));
const runtimes = new Runtimes({
  events: { listen: (key, socketPath) => detector && events.listen(key, socketPath) },
});
/** Absent: nobody looks for changes. */
let detector: ChangeDetector | undefined;

parentPort?.on('message', (request: ScanRequest) => {
  if (request === 'stop') {
    detector = undefined;
    events.close();
    return;
  }
  answer(request).catch((error: unknown) => reply({ error: String(error) }));
});

async function answer(request: Exclude<ScanRequest, 'stop'>): Promise<void> {
  if (request === 'poll') return reply({ changed: (detector ??= new ChangeDetector(PROC)).poll() });
  const result = await scan({ procRoot: PROC, runtimes, interfaceNames, supervisor: process.ppid });
  const document = encodeResult(result);
  reply({ document, problems: result.problems }, document.buffer);
}

function reply(message: ScanReply, ...transferred: ArrayBuffer[]): void {
  parentPort?.postMessage(message, transferred);
}

parentPort?.postMessage(LOADED);
