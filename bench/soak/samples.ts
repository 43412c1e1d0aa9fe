import { readFileSync } from 'node:fs';
import { processesAtRest } from '../../test/kit/at-rest.js';
import type { ProcessFacts } from '../../test/kit/processes.js';

/** One process at one moment. */
export interface Sample {
  readonly pid: number;
  readonly role: string;
  readonly descriptors: number;
  readonly threads: number;
  /** Pages that no other process shares, and this process' share of the others: see proc_pid_smaps(5). */
  readonly privateKiB: number;
  readonly proportionalKiB: number;
}

/** All long-lived processes of the service, once it is at rest. */
export async function sampleAtRest(root: number): Promise<Sample[]> {
  const facts = await processesAtRest(root);
  return facts.filter(({ command }) => roleOf(command) !== FILTER_COMPILER).map(sampleOf);
}

/** These processes end after one filter; the number of spare ones does not matter here. */
const FILTER_COMPILER = 'filter compiler';

/** Role of a process of the service, from its title or its command line. */
export function roleOf(command: string): string {
  const title = /^packetflix: ([a-z ]+)/.exec(command)?.[1]?.trim();
  return title ?? /main\.js (server|engine|discoverer)/.exec(command)?.[1] ?? 'supervisor';
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

/** Content of smaps_rollup, or empty if the process has just ended. */
function memoryOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1');
  } catch {
    return '';
  }
}
