import { cpus, loadavg, release, totalmem } from 'node:os';
import type { BenchOptions } from '../options.js';

/** What the figures depend on besides the service. */
export function environment({ rounds, seconds, generator }: BenchOptions): string {
  const [cpu] = cpus();
  return (
    `${new Date().toISOString().slice(0, 10)}, Linux ${release()}, ${cpus().length} × ${cpu?.model.trim()}, ` +
    `${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}, load average ${loadavg()[0]?.toFixed(2)} ` +
    `at the start; ${rounds} rounds of ${seconds} s, generator: ${generator}`
  );
}
