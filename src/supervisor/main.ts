import type { Options } from '../config/options.js';
import { parseCommandLine } from '../config/parse-command-line.js';
import { tellOfCrashes } from '../logging/last-words.js';
import { logFormat } from '../logging/log-format.js';
import { assertPrivileges } from '../privileges/assert-privileges.js';
import { CapabilitySet } from '../privileges/capabilities.js';
import { describeMissingCapabilities } from '../privileges/capability-report.js';
import { createHousehold } from './household.js';
import { supervisorLog, type Log } from './log.js';
import { findSetpriv, type Means } from './privileges.js';
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
  // Node.js would listen for a debugger, whom the front must not reach; see roles.ts.
  process.on('SIGUSR1', () => undefined);
  const format = logFormat(service.logFormat, process.stderr.isTTY === true);
  const log = supervisorLog(format);
  tellOfCrashes((level, message, facts) => log(message, level, facts));
  const setpriv = findSetpriv(process.env['PATH'] ?? '');
  if (setpriv === undefined) {
    log('setpriv is missing, without which the network side of the service would keep privileges', 'fatal');
    log('to mend it: install the package util-linux (apt-get install util-linux)', 'fatal');
    return 1;
  }
  let means: Means;
  try {
    means = process.getuid?.() === 0 ? giveUpRoot(service.user, setpriv, argv, log) : meansOfAUser();
  } catch (error) {
    for (const line of (error as Error).message.split('\n')) log(line, 'fatal');
    return 1;
  }
  for (const line of describeMissingCapabilities(means.capabilities)) log(line, 'warn');

  const directory = RuntimeDirectory.create(means.closedTo?.gid);
  try {
    const supervisor = new Supervisor(createHousehold(argv, { means, directory, format, capture }), log);
    for (const signal of ENDING_SIGNALS) process.on(signal, () => supervisor.shutDown(signal));
    return await supervisor.run();
  } finally {
    directory.remove();
  }
}

/** @throws ExcessPrivilegesError when root has been given up, but not everything with it */
function meansOfAUser(): Means {
  if (process.env[GIVEN_UP] === '1') assertPrivileges('supervisor');
  return { capabilities: CapabilitySet.ofThisProcess('CapAmb') };
}

/**
 * Comes back only where the code is closed to the user.
 *
 * @throws Error with lines for the operator
 */
function giveUpRoot(wish: string | undefined, setpriv: string, argv: readonly string[], log: Log): Means {
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
