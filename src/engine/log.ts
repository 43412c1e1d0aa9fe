import type { LogFormat } from '../shared/logging/log-line.js';
import type { LogFields, LogLevel } from '../shared/logging/log-line.js';
import { ProcessLog } from '../shared/logging/process-log.js';

/** The engine's log: lines on standard error, which is the service's. */
let processLog = new ProcessLog('engine');

/** Messages that were told lately. What goes wrong goes wrong again every second, for every capture. */
const told = new Set<string>();
const MOST_REMEMBERED = 1_000;

export function setLogFormat(format: LogFormat): void {
  processLog = new ProcessLog('engine', format);
}

/** @param fields `capture` is the id of the capture that it is about */
export function log(message: string, level: LogLevel = 'warn', fields?: LogFields): void {
  processLog.write(level, message, fields);
}

/** The same message about the same capture is told once. */
export function logOnce(message: string, fields: LogFields = {}): void {
  const key = `${String(fields['capture'])} ${message}`;
  if (told.has(key)) return;
  if (told.size >= MOST_REMEMBERED) told.clear();
  told.add(key);
  log(message, 'warn', fields);
}
