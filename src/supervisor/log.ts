import type { LogFormat } from '../shared/logging/log-line.js';
import type { LogFields, LogLevel } from '../shared/logging/log-line.js';
import { ProcessLog } from '../shared/logging/process-log.js';

/** Writes one line for the operator. */
export type Log = (message: string, level?: LogLevel, fields?: LogFields) => void;

/** Standard error, in the format of the whole service. */
export function supervisorLog(format?: LogFormat): Log {
  const processLog = new ProcessLog('supervisor', format);
  return (message, level = 'info', fields) => processLog.write(level, message, fields);
}
