import { parseCommandLine, type Options } from '../shared/config/parse-command-line.js';
import { installCrashHandler, logFormat, ProcessLog } from '../shared/logging/process-log.js';
import { describeMissingCapabilities } from '../shared/privileges/capabilities.js';
import { TICKET_KEY_VARIABLE } from '../shared/supervisor-link/supervisor-link.js';
import { ticketKey } from '../shared/ticket-key.js';
import { TokenFile } from '../shared/token-file.js';
import { createChildSpecs } from './child-specs.js';
import { findSetpriv, type GrantedPrivileges } from './granted-privileges.js';
import type { Log } from './restarted-child.js';
import { dropRoot } from './root.js';
import { RuntimeDirectory } from './runtime-directory.js';
import { Supervisor } from './supervisor.js';

/** SIGHUP arrives when the terminal that the service runs in is closed. */
const SHUTDOWN_SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

/** Runs the whole service; `argv` is the command line without program and script. Ends the process. */
export async function runSupervisor(argv: string[]): Promise<never> {
  const commandLine = parseCommandLine(argv, process.env);
  switch (commandLine.kind) {
    case 'help':
    case 'version':
      process.stdout.write(commandLine.text);
      return process.exit(0);
    case 'error':
      console.error(`packetflix: ${commandLine.message}\nSee --help.`);
      return process.exit(2);
    case 'options':
      return process.exit(await serve(argv, commandLine.options));
  }
}

async function serve(
  argv: readonly string[],
  { service, capture, cluster, environment }: Options,
): Promise<number> {
  // By default Node.js would listen for a debugger, which the server could use; see child-specs.ts.
  process.on('SIGUSR1', () => undefined);
  const format = logFormat(service.logFormat, process.stderr.isTTY === true);
  const processLog = new ProcessLog('supervisor', format);
  const log: Log = (message, level = 'info') => processLog.write(level, message);
  installCrashHandler((level, message, fields) => processLog.write(level, message, fields));
  const setpriv = findSetpriv(process.env['PATH'] ?? '');
  if (setpriv === undefined) {
    log('setpriv is missing; without it the server could not drop its privileges', 'fatal');
    log('To fix this, install the package util-linux (apt-get install util-linux)', 'fatal');
    return 1;
  }
  let signingKey: Buffer;
  try {
    // The service's user may be unable to read the file: this program hands the key over to itself when it drops root.
    signingKey = environment.ticketKey ?? ticketKey(service.ticketKeyFile);
    // The server checks again: it reads the file itself when it changes, and so must be able to.
    if (service.tokenFile !== undefined) new TokenFile(service.tokenFile).current();
  } catch (error) {
    console.error(`packetflix: ${(error as Error).message}`);
    return 2;
  }
  delete process.env[TICKET_KEY_VARIABLE];
  let granted: GrantedPrivileges;
  try {
    const handedOver = { [TICKET_KEY_VARIABLE]: signingKey.toString('base64url') };
    granted = dropRoot(service.user, setpriv, argv, log, handedOver);
  } catch (error) {
    for (const line of (error as Error).message.split('\n')) log(line, 'fatal');
    return 1;
  }
  const isGateway = cluster.nodes.length > 0;
  const missing = isGateway ? [] : describeMissingCapabilities(granted.capabilities);
  for (const line of missing) log(line, 'warn');

  const directory = RuntimeDirectory.create(granted.closedTo?.gid);
  try {
    const specs = createChildSpecs(argv, {
      granted,
      directory,
      format,
      capture,
      isGateway,
      ticketKey: signingKey,
    });
    const supervisor = new Supervisor(specs, log);
    for (const signal of SHUTDOWN_SIGNALS) process.on(signal, () => supervisor.shutDown(signal));
    return await supervisor.run();
  } finally {
    directory.remove();
  }
}
