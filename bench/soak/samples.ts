import { readFileSync } from 'node:fs';
import { type ProcessFacts, processTree } from '../../test/kit/process-tree.js';
import { eventually } from '../../test/kit/eventually.js';

const AT_REST_MS = 1_500;
const REST_TIMEOUT_MS = 45_000;

/** One process at one moment. */
export interface Sample {
  readonly pid: number;
  readonly role: string;
  readonly descriptors: number;
  readonly threads: number;
  /** Pages that nobody else has, and this process' share of the others: see proc_pid_smaps(5). */
  readonly privateKiB: number;
  readonly proportionalKiB: number;
}

/** All lasting processes of the service, when nothing changes any more: what was closed last goes a moment later. */
export async function sampleAtRest(root: number): Promise<Sample[]> {
  let previous = '';
  let since = performance.now();
  const facts = await eventually(
    'the service to come to rest',
    () => {
      const now = processTree(root);
      const current = JSON.stringify(
        now.map(({ pid, descriptors, threads }) => [pid, descriptors.length, threads]),
      );
      if (current !== previous) since = performance.now();
      previous = current;
      return performance.now() - since > AT_REST_MS && now;
    },
    REST_TIMEOUT_MS,
  );
  return facts.filter(({ command }) => roleOf(command) !== FILTER_COMPILER).map(sampleOf);
}

/** Processes of that name end after one filter; how many are waiting does not matter here. */
const FILTER_COMPILER = 'filter compiler';

/** What a process of the service is for, from its title or its command line. */
export function roleOf(command: string): string {
  const title = /^packetflix: ([a-z ]+)/.exec(command)?.[1]?.trim();
  return title ?? /main\.js (front|engine|discovery)/.exec(command)?.[1] ?? 'supervisor';
}

function sampleOf({ pid, command, descriptors, threads }: ProcessFacts): Sample {
  const memory = memoryOf(pid);
  const kib = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(memory)?.[1] ?? NaN);
  return {
    pid,
    role: roleOf(command),
    descriptors: descriptors.length,
    threads,
    privateKiB: kib('Private_Clean') + kib('Private_Dirty'),
    proportionalKiB: kib('Pss'),
  };
}

/** Empty for a process that has just ended. */
function memoryOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1');
  } catch {
    return '';
  }
}
