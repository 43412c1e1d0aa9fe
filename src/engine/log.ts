import type { LogFormat } from '../shared/logging/log-line.js';
import type { LogFields, LogLevel } from '../shared/logging/log-line.js';
import { FloodGate } from '../shared/logging/flood-gate.js';
import { ProcessLog } from '../shared/logging/process-log.js';

/** The engine's log: lines on standard error, which it shares with the whole service. */
let processLog = new ProcessLog('engine');

const PERIOD_MS = 10_000;
/** Lines of one kind in one period. */
const MAX_LINES = 20;
const gate = new FloodGate(PERIOD_MS, (summary) => processLog.write('warn', summary));

/** Messages of `logOnce`: a persistent failure would repeat every second, for every capture. */
const logged = new Set<string>();
const MAX_REMEMBERED = 1_000;

export function setLogFormat(format: LogFormat): void {
  processLog = new ProcessLog('engine', format);
}

/**
 * Repeated lines are suppressed and counted, except the last one of a process that ends.
 *
 * @param message constant: what untrusted clients and containers can choose belongs into fields
 * @param fields `capture` is the id of the capture that the message is about
 */
export function log(message: string, level: LogLevel = 'warn', fields?: LogFields): void {
  if (level === 'fatal' || gate.admits(message, MAX_LINES)) processLog.write(level, message, fields);
}

/** A defect of the engine, which must be visible, with its stack. */
export function logDefect(message: string, error: unknown, fields?: LogFields): void {
  log(message, 'error', { ...fields, error });
}

/** Logs the same line once. */
export function logOnce(message: string, fields: LogFields = {}): void {
  const key = `${message} ${Object.values(fields).join(' ')}`;
  if (logged.has(key)) return;
  if (logged.size >= MAX_REMEMBERED) logged.clear();
  logged.add(key);
  log(message, 'warn', fields);
}
