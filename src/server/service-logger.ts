import type { LoggerService } from '@nestjs/common';
import { FloodGate } from '../shared/logging/flood-gate.js';
import type { LogFields, LogFormat, LogLevel } from '../shared/logging/log-line.js';
import { ProcessLog } from '../shared/logging/process-log.js';
import { REQUEST_CONTEXT } from './http/request-log.js';

/** Nest logs every module and route that it finds in these contexts: of interest to developers only. */
const FRAMEWORK_CONTEXTS: readonly unknown[] = [
  'InstanceLoader',
  'NestFactory',
  'RouterExplorer',
  'RoutesResolver',
  'NestApplication',
];

const DEBUG_LEVELS: readonly LogLevel[] = ['trace', 'debug'];

const PERIOD_MS = 10_000;

/** Events of one kind in one period. Hundreds of captures may start at once; failures repeat themselves. */
const MAX_EVENTS = 300;
const MAX_FAILURES = 20;

/**
 * Nest's logger: writes one line per event, in the format of all processes of the service. Messages of the framework
 * appear at level `debug`, and repeated events are suppressed and counted. A logged object with a `message` is an event
 * with fields: `logger.log({ message: 'capture started', netns: 5 })`.
 */
export class ServiceLogger implements LoggerService {
  private readonly output: ProcessLog;
  private readonly withDebug: boolean;
  private readonly gate = new FloodGate(PERIOD_MS, (summary) =>
    this.output.write('warn', summary, { context: 'Log' }),
  );

  constructor({ debug, format }: { readonly debug: boolean; readonly format: LogFormat }) {
    this.output = new ProcessLog('server', format);
    this.withDebug = debug;
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
    // Nest logs a failure to listen here; main.ts reports it in a readable form.
    this.write(rest.at(-1) === 'NestApplication' ? 'debug' : 'error', message, rest);
  }

  fatal(message: unknown, ...rest: unknown[]): void {
    this.write('fatal', message, rest);
  }

  /** @param rest further messages or the stack of an error, and the context last: that is how Nest's loggers call */
  private write(level: LogLevel, logged: unknown, rest: readonly unknown[]): void {
    if (!this.withDebug && DEBUG_LEVELS.includes(level)) return;
    const context = rest.at(-1);
    const further = rest.slice(0, -1).filter((each) => each !== undefined);
    const { message, ...fields } = eventOf(logged);
    if (!this.admits(level, context, message, fields)) return;
    this.output.write(level, message, {
      ...(typeof context === 'string' && { context }),
      ...fields,
      ...(further.length > 0 && { further: further.map(String).join('\n') }),
    });
  }

  private admits(level: LogLevel, context: unknown, message: string, fields: LogFields): boolean {
    // Who switched on a line per request wants every one of them.
    if (context === REQUEST_CONTEXT) return true;
    // Code and reason make it another kind of event. The other fields differ each time.
    const { code, reason } = fields;
    const event = typeof code === 'number' ? `${message} code=${code}` : message;
    const kind = `${String(context)}: ${event}${typeof reason === 'string' ? ` ${reason}` : ''}`;
    return this.gate.admits(kind, level === 'info' ? MAX_EVENTS : MAX_FAILURES);
  }
}

function eventOf(logged: unknown): LogFields & { readonly message: string } {
  if (logged instanceof Error) return { message: logged.message, error: logged };
  if (typeof logged === 'object' && logged !== null && 'message' in logged) {
    return { ...logged, message: String(logged.message) };
  }
  return { message: typeof logged === 'string' ? logged : (JSON.stringify(logged) ?? String(logged)) };
}
