import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { installCrashHandler, logFormat } from '../shared/logging/process-log.js';
import { assertPrivileges } from '../shared/privileges/privileges.js';
import { CapabilitySet } from '../shared/privileges/capabilities.js';
import { missingForCaptures } from '../shared/privileges/capabilities.js';
import { isSupervised, onEndOfService, SupervisorLink } from '../shared/supervisor-link/supervisor-link.js';
import { exit } from '../shared/threads.js';
import { forbidInspection } from '../shared/linux/libc.js';
import { CaptureError } from '../shared/protocol/capture-error.js';
import { PACKET_METHODS, type PacketMethod } from '../shared/protocol/protocol.js';
import { DEFAULT_RING_LIMITS, RingBudget, ringLimits, shareOf } from './capture/ring-budget.js';
import type { OpenCapture } from './control-connection.js';
import { FilterCompiler, type Compiler } from './filter/filter-compiler.js';
import { RemoteCompiler } from './filter/remote-compiler.js';
import { EngineServer } from './engine-server.js';
import { log, setLogFormat } from './log.js';
import type { EngineProblem } from '../shared/protocol/protocol.js';

/**
 * Runs an engine, the process that captures and has the privileges for it. It has no network listener, only a unix socket,
 * and ends with its standard input, which the supervisor holds open. It ignores signals: a signal to the process group
 * reaches the engine, too, and the supervisor lets captures end in order first.
 *
 * @param args `--socket PATH`; `--engines N`: number of engines that share `--ring-memory MIB`, which is meant for
 *   `--max-captures N`; `--packet-method`: how packets are read from the kernel; `--end-when-idle SECONDS`: ends when it has
 *   had no captures for that long, see `EngineServer.whenIdle`; `--compiler-socket PATH`: the engine that compiles the
 *   filters; and `--log-format`
 */
export async function runEngine(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      socket: { type: 'string' },
      engines: { type: 'string', default: '1' },
      'max-captures': { type: 'string' },
      'ring-memory': { type: 'string' },
      'log-format': { type: 'string' },
      'packet-method': { type: 'string', default: 'ring' },
      'end-when-idle': { type: 'string' },
      'compiler-socket': { type: 'string' },
    },
  });
  if (!values.socket) throw new Error('the engine needs --socket PATH');
  // Shows in the list of processes which engine this is.
  process.title = `packetflix: ${basename(values.socket, '.sock').replace('-', ' ')}`;
  setLogFormat(logFormat(values['log-format'], process.stderr.isTTY === true));
  installCrashHandler((level, message, fields) => log(message, level, fields));
  forbidInspection();
  if (isSupervised(process.env)) {
    assertPrivileges('engine');
    new SupervisorLink();
  }
  onEndOfService(true, () => exit(0));

  const limits =
    values['max-captures'] && values['ring-memory']
      ? ringLimits(Number(values['max-captures']), Number(values['ring-memory']))
      : DEFAULT_RING_LIMITS;
  const problems: EngineProblem[] = missingForCaptures(CapabilitySet.ofThisProcess()).map((message) => ({
    part: 'capabilities',
    message,
  }));
  const remote = values['compiler-socket'];
  const compiler = remote === undefined ? new FilterCompiler() : new RemoteCompiler(remote);
  const server = new EngineServer(
    await loadCaptures(packetMethod(values['packet-method']), compiler, problems),
    new RingBudget(shareOf(Number(values.engines), limits)),
    problems,
    compiler,
  );
  await server.listen(values.socket);
  const idleSeconds = values['end-when-idle'];
  if (idleSeconds !== undefined) server.whenIdle(Number(idleSeconds) * 1000, () => exit(0));
}

/** Loads libpcap. An engine without it refuses all captures and reports the problem, so that the service stays reachable. */
async function loadCaptures(
  method: PacketMethod,
  compiler: Compiler,
  problems: EngineProblem[],
): Promise<OpenCapture> {
  try {
    const { startCaptures } = await import('./capture/capture.js');
    return startCaptures(method, compiler);
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'LibraryMissingError') throw error;
    const message = `no captures: ${error.message}; on Debian: apt-get install libpcap0.8`;
    problems.push({ part: 'libpcap', message });
    return () => Promise.reject(new CaptureError('internal', message));
  }
}

function packetMethod(text: string): PacketMethod {
  const method = PACKET_METHODS.find((each) => each === text);
  if (!method) throw new Error(`--packet-method must be ${PACKET_METHODS.join(' or ')}`);
  return method;
}
