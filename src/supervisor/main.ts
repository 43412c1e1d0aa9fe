import type { Options } from '../config/options.js';
import { parseCommandLine } from '../config/parse-command-line.js';
import { tellOfCrashes } from '../logging/last-words.js';
import { logFormat } from '../logging/log-format.js';
import { CapabilitySet } from './capabilities.js';
import { describeMissingCapabilities } from './capability-report.js';
import { createHousehold } from './household.js';
import { supervisorLog } from './log.js';
import { hasSetpriv } from './privileges.js';
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

async function serve(argv: readonly string[], { service }: Options): Promise<number> {
  const format = logFormat(service.logFormat, process.stderr.isTTY === true);
  const log = supervisorLog(format);
  tellOfCrashes((level, message, facts) => log(message, level, facts));
  if (!hasSetpriv(process.env['PATH'] ?? '')) {
    log('setpriv is missing, without which the network side of the service would keep privileges', 'fatal');
    log('to mend it: install the package util-linux (apt-get install util-linux)', 'fatal');
    return 1;
  }
  const capabilities = CapabilitySet.ofThisProcess();
  for (const line of describeMissingCapabilities(capabilities)) log(line, 'warn');

  const directory = RuntimeDirectory.create();
  try {
    const supervisor = new Supervisor(createHousehold(argv, { capabilities, directory, format }), log);
    for (const signal of ENDING_SIGNALS) process.on(signal, () => supervisor.shutDown(signal));
    return await supervisor.run();
  } finally {
    directory.remove();
  }
}
