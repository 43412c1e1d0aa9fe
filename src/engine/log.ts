import type { LogFormat } from '../shared/logging/log-line.js';
import type { LogFields, LogLevel } from '../shared/logging/log-line.js';
import { ProcessLog } from '../shared/logging/process-log.js';

/** The engine's log: lines on standard error, which it shares with the whole service. */
let processLog = new ProcessLog('engine');

/** Messages of `logOnce`: a persistent failure would repeat every second, for every capture. */
const logged = new Set<string>();
const MAX_REMEMBERED = 1_000;

export function setLogFormat(format: LogFormat): void {
  processLog = new ProcessLog('engine', format);
}

/** @param fields `capture` is the id of the capture that the message is about */
export function log(message: string, level: LogLevel = 'warn', fields?: LogFields): void {
  processLog.write(level, message, fields);
}

/** Logs the same message about the same capture once. */
export function logOnce(message: string, fields: LogFields = {}): void {
  const key = `${String(fields['capture'])} ${message}`;
  if (logged.has(key)) return;
  if (logged.size >= MAX_REMEMBERED) logged.clear();
  logged.add(key);
  log(message, 'warn', fields);
}
