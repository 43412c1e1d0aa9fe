/**
 * The thread that looks around: reading /proc and visiting namespaces makes it stand still for some hundred
 * milliseconds, and setns(2) moves a thread, not a process. Its answer is ready to be sent, so that the thread
 * that serves has nothing to do with its size.
 */
import { parentPort } from 'node:worker_threads';
import { Engines } from './runtimes/runtimes.js';
import { interfaceNames } from './interface-names.js';
import { scan } from './scan.js';
import { toDocument } from './document.js';
import type { ScanReply } from './scanner.js';

const engines = new Engines();

parentPort?.on('message', () => {
  void scan({ procRoot: '/proc', engines, interfaceNames, supervisor: process.ppid }).then(
    (findings) => {
      const document = toDocument(findings);
      const reply: ScanReply = { document, problems: findings.problems };
      parentPort?.postMessage(reply, [document.buffer]);
    },
    (error: unknown) => parentPort?.postMessage({ error: String(error) } satisfies ScanReply),
  );
});
