import { setTimeout as sleep } from 'node:timers/promises';

const POLL_INTERVAL_MS = 20;

/**
 * Waits until the condition returns something else than false, null or undefined, and returns that. A condition that
 * throws counts as false; what it threw last is the cause of the error on timeout.
 *
 * @param what completes the sentence "timed out waiting for ..."
 */
export async function eventually<T>(
  what: string,
  condition: () => T | Promise<T>,
  timeoutMs = 10_000,
): Promise<Exclude<T, false | null | undefined>> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    let cause: unknown;
    try {
      const result = await condition();
      if (result !== false && result !== undefined && result !== null) {
        return result as Exclude<T, false | null | undefined>;
      }
    } catch (error) {
      cause = error;
    }
    if (performance.now() >= deadline) {
      throw new Error(`timed out waiting for ${what} (${timeoutMs} ms)`, { cause });
    }
    await sleep(POLL_INTERVAL_MS);
  }
}
