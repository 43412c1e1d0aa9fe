import type { Facts, LogLevel } from './log-line.js';

/** Takes one event for the log. */
type Tell = (level: LogLevel, message: string, facts: Facts) => void;

/**
 * What Node would print itself, in several lines and in no format of ours: the error that ends this process, and
 * warnings. The process still ends with status 1, as it would.
 *
 * @see https://nodejs.org/api/process.html#event-uncaughtexception
 */
export function installCrashHandler(tell: Tell): void {
  process.on('uncaughtException', (error) => {
    tell('fatal', String(error), { error });
    process.exit(1);
  });
  process.removeAllListeners('warning'); // Node's own, which prints
  process.on('warning', (warning) => tell('warn', String(warning), { error: warning }));
}
