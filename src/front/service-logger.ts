import { ConsoleLogger } from '@nestjs/common';
import type { LogLevel } from '@nestjs/common';
import { FloodGate } from '../logging/flood-gate.js';
import { REQUEST_CONTEXT } from './request-log.js';

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

/** Nest's own logger, quiet about the framework unless debugging, and about what it has said often already. */
export class ServiceLogger extends ConsoleLogger {
  private readonly gate = new FloodGate(PERIOD_MS, (line) => super.printMessages([line], 'Log', 'warn'));

  constructor(debug: boolean) {
    super({
      colors: process.stdout.isTTY === true,
      logLevels: debug
        ? ['verbose', 'debug', 'log', 'warn', 'error', 'fatal']
        : ['log', 'warn', 'error', 'fatal'],
    });
  }

  override log(message: unknown, ...rest: unknown[]): void {
    if (FRAMEWORK_CONTEXTS.includes(rest.at(-1))) super.debug(message, ...rest);
    else super.log(message, ...rest);
  }

  override error(message: unknown, ...rest: unknown[]): void {
    // What keeps Nest from listening reaches us, too, and main.ts tells it readably.
    if (rest.at(-1) === 'NestApplication') super.debug(message, ...rest);
    else super.error(message, ...rest);
  }

  /** What all methods end in. */
  protected override printMessages(
    messages: unknown[],
    context?: string,
    level: LogLevel = 'log',
    ...rest: [('stdout' | 'stderr')?, unknown?, Record<string, unknown>?]
  ): void {
    const limit = level === 'log' ? MAX_EVENTS : MAX_FAILURES;
    // Who asks for a line per request gets it.
    const pass = context === REQUEST_CONTEXT || this.gate.admits(`${context} ${messages.join(' ')}`, limit);
    if (pass) super.printMessages(messages, context, level, ...rest);
  }
}
