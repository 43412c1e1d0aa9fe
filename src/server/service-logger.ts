import type { LoggerService } from '@nestjs/common';
import { pino } from 'pino';
import { FloodGate } from '../shared/logging/flood-gate.js';
import type { LogFormat } from '../shared/logging/log-format.js';
import {
  boundedText,
  logLine,
  plainFacts,
  type Facts,
  type LogLevel,
  type LogRecord,
} from '../shared/logging/log-line.js';
import { REQUEST_CONTEXT } from './http/request-log.js';

/** Nest tells there about every module and route that it finds: of interest to developers only. */
const FRAMEWORK_CONTEXTS: readonly unknown[] = [
  'InstanceLoader',
  'NestFactory',
  'RouterExplorer',
  'RoutesResolver',
  'NestApplication',
];

const PERIOD_MS = 10_000;

/** Of one kind in one period. Hundreds of captures may well start at once; as many failures are one. */
const MAX_EVENTS = 300;
const MAX_FAILURES = 20;

/**
 * Nest's log on pino, a line per event. Quiet about the framework unless debugging, and about what it has said often
 * already. Events have facts when what is logged is an object with a `message`, see `LogRecord`; `capture` is
 * the id of the capture that an event belongs to.
 *
 * pino writes through us and in this thread: its transports are threads that load code while the service runs.
 */
export class ServiceLogger implements LoggerService {
  private readonly pino;
  private readonly gate = new FloodGate(PERIOD_MS, (line) => this.pino.warn({ context: 'Log' }, line));

  constructor({ debug, format }: { readonly debug: boolean; readonly format: LogFormat }) {
    const write = (line: string): void => {
      process.stderr.write(logLine(JSON.parse(line) as LogRecord, format));
    };
    this.pino = pino(
      {
        level: debug ? 'trace' : 'info',
        base: { role: 'server', pid: process.pid },
        messageKey: 'message',
        timestamp: () => `,"time":"${new Date().toISOString()}"`,
        formatters: { level: (level) => ({ level }) },
      },
      { write },
    );
  }

  verbose(message: unknown, ...rest: unknown[]): void {
    this.write('trace', message, rest);
  }

  debug(message: unknown, ...rest: unknown[]): void {
    this.write('debug', message, rest);
  }

  log(message: unknown, ...rest: unknown[]): void {
    this.write(FRAMEWORK_CONTEXTS.includes(rest.at(-1)) ? 'debug' : 'info', message, rest);
  }

  warn(message: unknown, ...rest: unknown[]): void {
    this.write('warn', message, rest);
  }

  error(message: unknown, ...rest: unknown[]): void {
    // What keeps Nest from listening reaches us, too, and main.ts tells it readably.
    this.write(rest.at(-1) === 'NestApplication' ? 'debug' : 'error', message, rest);
  }

  fatal(message: unknown, ...rest: unknown[]): void {
    this.write('fatal', message, rest);
  }

  /** Nest's loggers put the context last, and before it further messages or the stack of an error. */
  private write(level: LogLevel, said: unknown, rest: readonly unknown[]): void {
    if (!this.pino.isLevelEnabled(level)) return;
    const context = rest.at(-1);
    const further = rest.slice(0, -1).filter((each) => each !== undefined);
    const { message, ...given } = eventOf(said);
    const facts = plainFacts(
      further.length > 0 ? { ...given, further: further.map(String).join('\n') } : given,
    );
    if (!this.admits(level, context, message, facts)) return;
    this.pino[level]({ ...(typeof context === 'string' && { context }), ...facts }, boundedText(message));
  }

  private admits(level: LogLevel, context: unknown, message: string, facts: Facts): boolean {
    // Who asks for a line per request gets it.
    if (context === REQUEST_CONTEXT) return true;
    // Of the facts, these make it another kind of event. The others differ each time.
    const { code, reason } = facts;
    const what = typeof code === 'number' ? `${message} code=${code}` : message;
    const kind = `${String(context)}: ${what}${typeof reason === 'string' ? ` ${reason}` : ''}`;
    return this.gate.admits(kind, level === 'info' ? MAX_EVENTS : MAX_FAILURES);
  }
}

function eventOf(said: unknown): Facts & { readonly message: string } {
  if (said instanceof Error) return { message: said.message, error: said };
  if (typeof said === 'object' && said !== null && 'message' in said) {
    return { ...said, message: String(said.message) };
  }
  return { message: typeof said === 'string' ? said : (JSON.stringify(said) ?? String(said)) };
}
