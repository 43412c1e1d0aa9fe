import { parseArgs } from 'node:util';
import { tellOfCrashes } from '../logging/last-words.js';
import { logFormat } from '../logging/log-format.js';
import { ProcessLog } from '../logging/process-log.js';
import { assertPrivileges } from '../privileges/assert-privileges.js';
import { onEndOfService, Supervision } from '../supervised/supervision.js';
import { FinderServer } from './finder-server.js';
import { Scanner } from './scanner.js';

/**
 * The discovery process: knows what there is to capture from on this host, which takes powers to find out. It has no
 * network listener, only a unix socket, and ends with its standard input, which the supervisor holds open as long
 * as it lives. Signals are for the supervisor to handle.
 *
 * @param args `--socket PATH` and `--log-format`
 */
export async function runFinder(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: { socket: { type: 'string' }, 'log-format': { type: 'string' } },
  });
  if (!values.socket) throw new Error('the discovery process needs --socket PATH');
  process.title = 'packetflix: discovery';
  if (process.env['PACKETFLIX_SUPERVISED'] === '1') {
    assertPrivileges('discovery');
    new Supervision();
  }
  onEndOfService(true, () => process.exit(0));

  const log = new ProcessLog('discovery', logFormat(values['log-format'], process.stderr.isTTY === true));
  tellOfCrashes((level, message, facts) => log.write(level, message, facts));
  const scanner = new Scanner((message) => log.write('warn', message));
  await new FinderServer(() => scanner.scan()).listen(values.socket);
}
