import { eventually } from './eventually.js';
import { type ProcessFacts, processTree } from './processes.js';

const AT_REST_MS = 1_500;

/** A process and its descendants, as soon as their descriptors and threads have not changed for 1.5 s. */
export async function processesAtRest(root: number, timeoutMs = 45_000): Promise<ProcessFacts[]> {
  let previous = '';
  let since = performance.now();
  return eventually(
    'unchanged descriptors and threads of all processes',
    () => {
      const now = processTree(root);
      const current = JSON.stringify(
        now.map(({ pid, descriptors, threads }) => [pid, descriptors.length, threads]),
      );
      if (current !== previous) since = performance.now();
      previous = current;
      return performance.now() - since > AT_REST_MS && now;
    },
    timeoutMs,
  );
}
