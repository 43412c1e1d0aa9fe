import { setTimeout as sleep } from 'node:timers/promises';

const POLL_INTERVAL_MS = 20;

/**
 * Waits until the condition holds, and gives what it gave. A condition that throws does not hold yet; the last thing
 * that it threw is told when the time is over.
 *
 * @param what completes the sentence "waited in vain for ..."
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
      throw new Error(`waited in vain for ${what}, ${timeoutMs} ms`, { cause });
    }
    await sleep(POLL_INTERVAL_MS);
  }
}
