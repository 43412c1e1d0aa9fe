/** The engine's log: lines on standard error, which is the service's. */

/** Messages that were told lately. What goes wrong goes wrong again every second, for every capture. */
const told = new Set<string>();
const MOST_REMEMBERED = 1_000;

export function log(message: string): void {
  process.stderr.write(`[engine ${process.pid}] ${message}\n`);
}

/** The same thing is told once. */
export function logOnce(message: string): void {
  if (told.has(message)) return;
  if (told.size >= MOST_REMEMBERED) told.clear();
  told.add(message);
  log(message);
}
