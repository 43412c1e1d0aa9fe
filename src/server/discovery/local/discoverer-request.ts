import { setTimeout as sleep } from 'node:timers/promises';
import { getDocument } from '../http-document.js';
import { TargetDirectoryError } from '../target-directory.js';

/** How the discoverer is called in messages. */
export const DISCOVERER_NAME = 'the built-in directory';

/** It is started together with us, and again when it dies. */
const DEFAULT_PATIENCE_MS = 5_000;
const RETRY_MS = 50;

/**
 * Gets what the discoverer has found: a document as GhostWire's `/mobyshark`.
 *
 * @param socketPath of the discoverer, see src/finder/
 * @param fresh whether it must be gathered after this call
 * @param patienceMs how long to wait for it to listen
 * @throws TargetDirectoryError, or the signal's reason
 */
export async function getFindings(
  socketPath: string,
  fresh: boolean,
  signal: AbortSignal,
  patienceMs = DEFAULT_PATIENCE_MS,
): Promise<string> {
  const deadline = performance.now() + patienceMs;
  const path = fresh ? '/mobyshark?fresh' : '/mobyshark';
  const document = { who: DISCOVERER_NAME, where: socketPath, connection: { socketPath }, path };
  for (;;) {
    try {
      return await getDocument(document, signal);
    } catch (error) {
      const isStarting = error instanceof TargetDirectoryError && error.reason === 'unreachable';
      if (!isStarting || performance.now() > deadline) throw error;
    }
    await sleep(RETRY_MS);
    signal.throwIfAborted();
  }
}
