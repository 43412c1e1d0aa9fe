/**
 * Scans the host three times with the scanner of the built service. Prints the duration of each scan and the longest
 * time that it blocked the event loop (both in milliseconds), and the number of targets.
 *
 *     node scan-repeatedly.ts URL-OF-SCANNER
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Scanner } from '../../../src/discoverer/scanner.ts';

const TIMES = 3;
const NANOSECONDS_PER_MS = 1e6;

const { Scanner: BuiltScanner } = (await import(process.argv[2] ?? '')) as { Scanner: typeof Scanner };
const scanner = new BuiltScanner((line) => process.stderr.write(`${line}\n`));
await scanner.scan(); // the first scan starts the thread

const delay = monitorEventLoopDelay({ resolution: 1 });
for (let i = 0; i < TIMES; i++) {
  delay.reset();
  delay.enable();
  const begin = performance.now();
  const document = await scanner.scan();
  const tookMs = performance.now() - begin;
  delay.disable();
  const { containers } = JSON.parse(new TextDecoder().decode(document)) as { containers: unknown[] };
  const blockedMs = delay.max / NANOSECONDS_PER_MS;
  process.stdout.write(`${JSON.stringify({ tookMs, blockedMs, targets: containers.length })}\n`);
}
process.exit(0);
