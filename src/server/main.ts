import 'reflect-metadata';
import { Logger } from '@nestjs/common';
import { AppModule } from './app.module.js';
import type { Options } from './config/options.js';
import { parseCommandLine } from '../shared/config/parse-command-line.js';
import { installCrashHandler, logFormat, ProcessLog } from '../shared/logging/process-log.js';
import { ExcessPrivilegesError } from '../shared/privileges/assert-privileges.js';
import { SERVICE_NAME, SERVICE_VERSION } from '../shared/service-version.js';
import { createApplication } from './server.js';
import { ListenError } from './http/listen-error.js';
import { onEndOfService, SupervisorLink } from '../shared/supervisor-link/supervisor-link.js';

/** The supervisor kills after 3 s; better to go in order, whatever clients do. */
const SHUTDOWN_DEADLINE_MS = 2_700;

const LISTEN_OPTIONS = { port: '--port or PACKETFLIX_PORT', host: '--host or PACKETFLIX_HOST' };

/** The unprivileged side of the service: everything that clients can reach. */
export async function runServer(argv: readonly string[]): Promise<void> {
  const commandLine = parseCommandLine(argv, process.env);
  switch (commandLine.kind) {
    case 'options':
      return await serve(commandLine.options);
    case 'help':
    case 'version':
      process.stdout.write(commandLine.text);
      return;
    case 'error':
      process.stderr.write(`${SERVICE_NAME}: ${commandLine.message}\nSee --help.\n`);
      return process.exit(2);
  }
}

async function serve(options: Options): Promise<void> {
  const log = new ProcessLog('server', logFormat(options.service.logFormat, process.stderr.isTTY === true));
  installCrashHandler((level, message, fields) => log.write(level, message, fields));
  const giveUp = (message: string): never => {
    log.write('fatal', message);
    return process.exit(1);
  };
  const { supervised } = options.engine;
  const supervision = supervised ? new SupervisorLink() : undefined;
  const app = await createApplication(AppModule.register(options), options);
  const { host, port } = options.service;
  try {
    await (host === undefined ? app.listen(port) : app.listen(port, host));
  } catch (error) {
    if (error instanceof ListenError || error instanceof ExcessPrivilegesError) return giveUp(error.message);
    const failure = error as NodeJS.ErrnoException;
    return giveUp(new ListenError(failure, { host, port, options: LISTEN_OPTIONS }).message);
  }
  const logger = new Logger('Server');
  const where = `${await app.getUrl()}${host === undefined ? ' and on all other addresses' : ''}`;
  logger.log(`${SERVICE_NAME} ${SERVICE_VERSION} serves at ${where}`);

  let ending = false;
  onEndOfService(supervised, () => {
    if (ending) return;
    ending = true;
    logger.log('shutting down');
    setTimeout(() => process.exit(0), SHUTDOWN_DEADLINE_MS).unref();
    void app.close().then(
      () => process.exit(0),
      (error: unknown) => {
        logger.error(error);
        process.exit(1);
      },
    );
  });
  supervision?.reportReady();
}
