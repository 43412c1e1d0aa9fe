import type { LogFormat } from '../shared/logging/log-format.js';
import type { Facts, LogLevel } from '../shared/logging/log-line.js';
import { ProcessLog } from '../shared/logging/process-log.js';

/** The engine's log: lines on standard error, which is the service's. */
let processLog = new ProcessLog('engine');

/** Messages that were told lately. What goes wrong goes wrong again every second, for every capture. */
const told = new Set<string>();
const MOST_REMEMBERED = 1_000;

export function setLogFormat(format: LogFormat): void {
  processLog = new ProcessLog('engine', format);
}

/** @param facts `capture` is the id of the capture that it is about */
export function log(message: string, level: LogLevel = 'warn', facts?: Facts): void {
  processLog.write(level, message, facts);
}

/** The same message about the same capture is told once. */
export function logOnce(message: string, facts: Facts = {}): void {
  const key = `${String(facts['capture'])} ${message}`;
  if (told.has(key)) return;
  if (told.size >= MOST_REMEMBERED) told.clear();
  told.add(key);
  log(message, 'warn', facts);
}
