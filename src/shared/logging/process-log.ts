import { logFormat, type LogFormat } from './log-format.js';
import { boundedText, logLine, plainFacts, type Facts, type LogLevel } from './log-line.js';

/**
 * The log of a process on the privileged side: the same lines as those of the server, which has a library for them.
 * Standard error, because standard output belongs to nobody here; a reader that went away is no error.
 */
export class ProcessLog {
  constructor(
    private readonly role: string,
    private readonly format: LogFormat = logFormat(undefined, process.stderr.isTTY === true),
  ) {}

  write(level: LogLevel, message: string, facts: Facts = {}): void {
    const record = {
      level,
      time: new Date().toISOString(),
      role: this.role,
      pid: process.pid,
      message: boundedText(message),
    };
    process.stderr.write(logLine({ ...record, ...plainFacts(facts) }, this.format));
  }
}
