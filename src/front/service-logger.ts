import { ConsoleLogger } from '@nestjs/common';

/** Nest tells there about every module and route that it finds: of interest to developers only. */
const FRAMEWORK_CONTEXTS: readonly unknown[] = [
  'InstanceLoader',
  'NestFactory',
  'RouterExplorer',
  'RoutesResolver',
  'NestApplication',
];

/** Nest's own logger, quiet about the framework unless debugging. */
export class ServiceLogger extends ConsoleLogger {
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
}
