import { parseArgs } from 'node:util';
import { installCrashHandler, logFormat, ProcessLog } from '../shared/logging/process-log.js';
import { assertPrivileges } from '../shared/privileges/assert-privileges.js';
import { onEndOfService, SupervisorLink } from '../shared/supervisor-link/supervisor-link.js';
import { DiscovererServer } from './discoverer-server.js';
import { Scanner } from './scanner.js';

/**
 * The discoverer: knows what there is to capture from on this host, which takes powers to find out. It has no
 * network listener, only a unix socket, and ends with its standard input, which the supervisor holds open as long
 * as it lives. Signals are for the supervisor to handle.
 *
 * @param args `--socket PATH` and `--log-format`
 */
export async function runDiscoverer(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: { socket: { type: 'string' }, 'log-format': { type: 'string' } },
  });
  if (!values.socket) throw new Error('the discoverer needs --socket PATH');
  process.title = 'packetflix: discoverer';
  if (process.env['PACKETFLIX_SUPERVISED'] === '1') {
    assertPrivileges('discoverer');
    new SupervisorLink();
  }
  onEndOfService(true, () => process.exit(0));

  const log = new ProcessLog('discoverer', logFormat(values['log-format'], process.stderr.isTTY === true));
  installCrashHandler((level, message, fields) => log.write(level, message, fields));
  const scanner = new Scanner((message) => log.write('warn', message));
  await new DiscovererServer(() => scanner.scan()).listen(values.socket);
}
