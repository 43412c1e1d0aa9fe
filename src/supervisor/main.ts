import type { Options } from '../server/config/options.js';
import { parseCommandLine } from '../shared/config/parse-command-line.js';
import { installCrashHandler, logFormat } from '../shared/logging/process-log.js';
import { assertPrivileges } from '../shared/privileges/assert-privileges.js';
import { CapabilitySet } from '../shared/privileges/capabilities.js';
import { describeMissingCapabilities } from '../shared/privileges/capability-report.js';
import { createChildSpecs } from './child-specs.js';
import { supervisorLog, type Log } from './log.js';
import { findSetpriv, type GrantedPrivileges } from './privileges.js';
import { becomeUser, GIVEN_UP, planGivingUpRoot } from './root.js';
import { RuntimeDirectory } from './runtime-directory.js';
import { Supervisor } from './supervisor.js';

/** Signals that mean: end in good order. SIGHUP comes when the terminal that we run in is closed. */
const ENDING_SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

/** Runs the whole service; `argv` is the command line without program and script. Ends the process itself. */
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

async function serve(argv: readonly string[], { service, capture }: Options): Promise<number> {
  // Node.js would listen for a debugger, whom the server must not reach; see roles.ts.
  process.on('SIGUSR1', () => undefined);
  const format = logFormat(service.logFormat, process.stderr.isTTY === true);
  const log = supervisorLog(format);
  installCrashHandler((level, message, fields) => log(message, level, fields));
  const setpriv = findSetpriv(process.env['PATH'] ?? '');
  if (setpriv === undefined) {
    log('setpriv is missing, without which the network side of the service would keep privileges', 'fatal');
    log('to mend it: install the package util-linux (apt-get install util-linux)', 'fatal');
    return 1;
  }
  let granted: GrantedPrivileges;
  try {
    granted =
      process.getuid?.() === 0 ? giveUpRoot(service.user, setpriv, argv, log) : privilegesOfAnOrdinaryUser();
  } catch (error) {
    for (const line of (error as Error).message.split('\n')) log(line, 'fatal');
    return 1;
  }
  for (const line of describeMissingCapabilities(granted.capabilities)) log(line, 'warn');

  const directory = RuntimeDirectory.create(granted.closedTo?.gid);
  try {
    const supervisor = new Supervisor(createChildSpecs(argv, { granted, directory, format, capture }), log);
    for (const signal of ENDING_SIGNALS) process.on(signal, () => supervisor.shutDown(signal));
    return await supervisor.run();
  } finally {
    directory.remove();
  }
}

/** @throws ExcessPrivilegesError when root has been given up, but not everything with it */
function privilegesOfAnOrdinaryUser(): GrantedPrivileges {
  if (process.env[GIVEN_UP] === '1') assertPrivileges('supervisor');
  return { capabilities: CapabilitySet.ofThisProcess('CapAmb') };
}

/**
 * Comes back only where the code is closed to the user.
 *
 * @throws Error with lines for the operator
 */
function giveUpRoot(
  wish: string | undefined,
  setpriv: string,
  argv: readonly string[],
  log: Log,
): GrantedPrivileges {
  // Once only: setpriv can fail without a word.
  if (process.env[GIVEN_UP] === '1') assertPrivileges('supervisor');
  const plan = planGivingUpRoot(wish);
  const { uid, gid } = plan.user;
  log(`gives up root: becomes user ${uid}, group ${gid}`);
  if (!plan.closedTo) becomeUser(plan, setpriv, argv);
  log(
    'that user may not read the code, so engines and filter compilers stay user 0, without its powers',
    'warn',
  );
  log('to mend it: put the code where everybody may read it, such as /opt', 'warn');
  return plan;
}
