import { parseArgs } from 'node:util';
import { forbidInspection } from '../shared/linux/libc.js';
import { FloodGate } from '../shared/logging/flood-gate.js';
import { installCrashHandler, logFormat, ProcessLog } from '../shared/logging/process-log.js';
import { assertPrivileges } from '../shared/privileges/privileges.js';
import { isSupervised, onEndOfService, SupervisorLink } from '../shared/supervisor-link/supervisor-link.js';
import { exit } from '../shared/threads.js';
import { DiscovererServer } from './server.js';
import { Scanner } from './scanner.js';

const LOG_PERIOD_MS = 10_000;
/** Of one kind in one period. */
const MAX_WARNINGS = 5;

/**
 * Runs the discoverer, the process that finds the capture targets of this host, which takes privileges. It listens at a
 * unix socket only, and ends with its standard input, which the supervisor keeps open as long as it lives. It ignores
 * signals: the supervisor handles them.
 *
 * @param args `--socket PATH` and, optionally, `--log-format FORMAT` and `--end-when-idle SECONDS`: ends when there has been no
 *   request for that long, see `DiscovererServer.whenIdle`
 */
export async function runDiscoverer(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      socket: { type: 'string' },
      'log-format': { type: 'string' },
      'end-when-idle': { type: 'string' },
    },
  });
  if (!values.socket) throw new Error('the discoverer needs --socket PATH');
  process.title = 'packetflix: discoverer';
  forbidInspection();
  if (isSupervised(process.env)) {
    assertPrivileges('discoverer');
    new SupervisorLink();
  }
  onEndOfService(true, () => exit(0));

  const log = new ProcessLog('discoverer', logFormat(values['log-format'], process.stderr.isTTY === true));
  installCrashHandler((level, message, fields) => log.write(level, message, fields));
  const gate = new FloodGate(LOG_PERIOD_MS, (summary) => log.write('warn', summary));
  const scanner = new Scanner((message) => {
    if (gate.admits(message, MAX_WARNINGS)) log.write('warn', message);
  });
  const server = new DiscovererServer(scanner);
  scanner.onEvent = () => server.onEvent();
  await server.listen(values.socket);
  const idleSeconds = values['end-when-idle'];
  if (idleSeconds !== undefined) server.whenIdle(Number(idleSeconds) * 1000, () => exit(0));
}
