/**
 * Looks around three times with the built service's own scanner, and says for each time how long it took, how long the
 * event loop stood still at most meanwhile (both in milliseconds), and how much was found.
 *
 *     node look-around.ts URL-OF-SCANNER
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Scanner } from '../../../src/discoverer/scanner.ts';

const TIMES = 3;
const NANOSECONDS_PER_MS = 1e6;

const { Scanner: BuiltScanner } = (await import(process.argv[2] ?? '')) as { Scanner: typeof Scanner };
const scanner = new BuiltScanner((line) => process.stderr.write(`${line}\n`));
await scanner.scan(); // the thread is started by the first

const delay = monitorEventLoopDelay({ resolution: 1 });
for (let i = 0; i < TIMES; i++) {
  delay.reset();
  delay.enable();
  const begin = performance.now();
  const document = await scanner.scan();
  const tookMs = performance.now() - begin;
  delay.disable();
  const { containers } = JSON.parse(new TextDecoder().decode(document)) as { containers: unknown[] };
  const stoodMs = delay.max / NANOSECONDS_PER_MS;
  process.stdout.write(`${JSON.stringify({ tookMs, stoodMs, targets: containers.length })}\n`);
}
process.exit(0);
