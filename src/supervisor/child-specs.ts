import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Options } from '../shared/config/parse-command-line.js';
import type { LogFormat } from '../shared/logging/log-line.js';
import { serverVariables, SUPERVISED } from '../shared/supervisor-link/supervisor-link.js';
import { ChildProcess, type Command } from './child-process.js';
import { asRole, type GrantedPrivileges } from './granted-privileges.js';
import type { RuntimeDirectory } from './runtime-directory.js';
import type { ChildSpecs } from './supervisor.js';

/** One engine serves many captures: more engines than this would hardly have anything to do. */
const MAX_ENGINES = 4;

const PROGRAM = fileURLToPath(new URL('../main.js', import.meta.url));

/** Processes that start on demand end when they have had nothing to do for this time. */
const END_WHEN_IDLE = ['--end-when-idle', '30'];

/** SIGUSR1 makes Node.js listen for a debugger, and a process of the same user may send it: the server to an engine. */
const NO_DEBUGGER = '--disable-sigusr1';

/**
 * Size in MiB of the space in which V8 creates objects, of which it has up to three. With its default, 16, a server has 60 MiB
 * more after 2,000 short captures.
 */
const SMALL_NEW_SPACE = '--max-semi-space-size=2';

/**
 * The messages of the nodes are outside of the heap of V8, which otherwise collects everything twice a second because of them, with
 * more CPU time than the merge takes: it is to begin when there are 128 MiB. Several threads for 2 MiB cost more than they save.
 */
const GATEWAY_FLAGS = ['--initial-heap-size=128', '--no-parallel-scavenge'];

/** In MiB. The discoverer reads what others have written; see also src/discoverer/scan-thread.ts. */
const SMALL_HEAP = '--max-old-space-size=256';

/** The command of this program with these arguments; the first may be a role (see main.ts). */
export function ownProgram(...args: readonly string[]): Command {
  return { file: process.execPath, args: [NO_DEBUGGER, PROGRAM, ...args] };
}

function serverProgram(argv: readonly string[], isGateway: boolean): Command {
  const { file, args } = ownProgram('server', ...argv);
  return { file, args: [SMALL_NEW_SPACE, ...(isGateway ? GATEWAY_FLAGS : []), ...args] };
}

/**
 * A command that succeeds if its user may read the code: it loads a file of this program, and a package, because
 * `node_modules` may have other permissions.
 */
export function readingTheCode(): Command {
  return {
    file: process.execPath,
    args: ['--import', import.meta.resolve('reflect-metadata'), PROGRAM, '--version'],
  };
}

/** How to start server, engines and discoverer: this program in its other roles. */
export function createChildSpecs(
  argv: readonly string[],
  {
    granted,
    directory,
    format,
    capture,
    isGateway,
    ticketKey,
  }: {
    readonly granted: GrantedPrivileges;
    readonly directory: RuntimeDirectory;
    readonly format: LogFormat;
    readonly capture: Pick<Options['capture'], 'maxCaptures' | 'ringMemoryMebibytes' | 'packetMethod'>;
    /** The nodes of a cluster capture, not this host. */
    readonly isGateway: boolean;
    readonly ticketKey: Buffer;
  },
): ChildSpecs {
  const engineCount = isGateway ? 0 : Math.min(availableParallelism(), MAX_ENGINES);
  const engineSockets = Array.from({ length: engineCount }, (_, index) => directory.engineSocket(index));
  const { discovererSocket } = directory;
  const launch = (role: 'engine' | 'discoverer', socketPath: string, ...args: string[]): ChildProcess => {
    const { file, args: program } = ownProgram(role, '--socket', socketPath, '--log-format', format, ...args);
    const command = { file, args: role === 'discoverer' ? [SMALL_HEAP, ...program] : program };
    return new ChildProcess(asRole(role, command, granted), { ...process.env, ...SUPERVISED });
  };
  const engineArguments = [
    ...['--engines', String(engineCount)],
    ...['--max-captures', String(capture.maxCaptures), '--ring-memory', String(capture.ringMemoryMebibytes)],
    ...['--packet-method', capture.packetMethod],
  ];
  const furtherEngine = [
    ...END_WHEN_IDLE,
    ...engineSockets.slice(0, 1).flatMap((first) => ['--compiler-socket', first]),
  ];
  const serverEnvironment = {
    ...process.env,
    // If only root can read the code, the server starts as root and becomes the user when it has loaded the code.
    ...serverVariables({
      engineSockets,
      ...(!isGateway && { discovererSocket }),
      become: granted.closedTo,
      ticketKey,
    }),
  };
  const discoverer = {
    name: 'discoverer',
    socketPath: discovererSocket,
    onDemand: true,
    launch: () => launch('discoverer', discovererSocket, ...END_WHEN_IDLE),
  };
  return {
    privileged: [
      ...engineSockets.map((socketPath, index) => ({
        name: `engine ${index}`,
        socketPath,
        onDemand: index > 0,
        launch: () => launch('engine', socketPath, ...engineArguments, ...(index > 0 ? furtherEngine : [])),
      })),
      ...(isGateway ? [] : [discoverer]),
    ],
    server: (onStartRequest) =>
      new ChildProcess(
        asRole('server', serverProgram(argv, isGateway), granted),
        serverEnvironment,
        onStartRequest,
      ),
  };
}
