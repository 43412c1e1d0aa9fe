import 'reflect-metadata';
import { Logger } from '@nestjs/common';
import { parseCommandLine, type Options } from '../shared/config/parse-command-line.js';
import { installCrashHandler, logFormat, ProcessLog } from '../shared/logging/process-log.js';
import { ExcessPrivilegesError } from '../shared/privileges/privileges.js';
import { SERVICE_NAME, SERVICE_VERSION } from '../shared/service-version.js';
import {
  onEndOfService,
  ServerEnvironment,
  SupervisorLink,
  TICKET_KEY_VARIABLE,
} from '../shared/supervisor-link/supervisor-link.js';
import { TokenFile } from '../shared/token-file.js';
import { AppModule } from './app.module.js';
import { ensureUnprivileged } from './ensure-unprivileged.js';
import { ALL_ADDRESSES } from './http/listen.js';
import { ListenError } from './http/listen-error.js';
import { createApplication } from './server.js';

/** The supervisor kills the server after 3 s. Before that, it ends by itself, whatever its clients do. */
const SHUTDOWN_DEADLINE_MS = 2_700;

const LISTEN_OPTIONS = { port: '--port or PACKETFLIX_PORT', host: '--host or PACKETFLIX_HOST' };

/** The unprivileged part of the service: everything that clients can reach. */
export async function runServer(argv: readonly string[]): Promise<void> {
  const commandLine = parseCommandLine(argv, process.env);
  delete process.env[TICKET_KEY_VARIABLE];
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
  const giveUp = (message: string, status = 1): never => {
    log.write('fatal', message);
    return process.exit(status);
  };
  const { supervised } = options.environment;
  const supervisor = supervised ? new SupervisorLink() : undefined;
  const environment = new ServerEnvironment({
    ...options.environment,
    requestStart: supervisor && ((socketPath) => supervisor.requestStart(socketPath)),
  });
  const { host, port, tokenFile } = options.service;
  try {
    await ensureUnprivileged(environment);
  } catch (error) {
    if (error instanceof ExcessPrivilegesError) return giveUp(error.message);
    throw error;
  }
  try {
    // The supervisor may read files that this process may not.
    if (tokenFile !== undefined) new TokenFile(tokenFile).current();
  } catch (error) {
    return giveUp((error as Error).message, 2);
  }
  const app = await createApplication(AppModule.forRoot({ ...options, environment }), options);
  try {
    await (host === undefined ? app.listen(port) : app.listen(port, host));
  } catch (error) {
    if (error instanceof ListenError) return giveUp(error.message);
    const failure = error as NodeJS.ErrnoException;
    return giveUp(new ListenError(failure, { host, port, options: LISTEN_OPTIONS }).message);
  }
  const logger = new Logger('Server');
  const where = `${await app.getUrl()}${host === ALL_ADDRESSES ? ' and on all other addresses' : ''}`;
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
  supervisor?.reportReady();
}
