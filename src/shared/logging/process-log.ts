import { exit } from '../threads.js';
import { logLine, type LogFields, type LogFormat, type LogLevel } from './log-line.js';

/**
 * The format that `--log-format` selects. All processes of the service write to the same standard error, so they must
 * all decide alike.
 *
 * @param option `auto` or undefined selects text if standard error is a terminal, and JSON otherwise
 */
export function logFormat(option: string | undefined, isTerminal: boolean): LogFormat {
  if (option === 'text' || option === 'json') return option;
  return isTerminal ? 'text' : 'json';
}

/** The log of one process: one line per event on standard error. */
export class ProcessLog {
  constructor(
    private readonly role: string,
    private readonly format: LogFormat = logFormat(undefined, process.stderr.isTTY === true),
  ) {}

  write(level: LogLevel, message: string, fields: LogFields = {}): void {
    const record = { level, time: new Date().toISOString(), role: this.role, pid: process.pid, message };
    process.stderr.write(logLine({ ...record, ...fields }, this.format));
  }
}

/**
 * Reports the error that ends this process, and warnings of Node.js, in the format of the log; Node.js itself would
 * print them in several lines. The process still exits with status 1.
 *
 * @see https://nodejs.org/api/process.html#event-uncaughtexception
 */
export function installCrashHandler(
  report: (level: LogLevel, message: string, fields: LogFields) => void,
): void {
  process.on('uncaughtException', (error) => {
    report('fatal', String(error), { error });
    exit(1);
  });
  process.removeAllListeners('warning'); // the listener of Node.js, which prints
  process.on('warning', (warning) => report('warn', String(warning), { error: warning }));
}
