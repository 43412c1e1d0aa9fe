import { availableParallelism } from 'node:os';
import { delimiter } from 'node:path';
import type { CaptureConfig } from '../config/capture.config.js';
import type { LogFormat } from '../logging/log-format.js';
import { ChildProcess } from './child-process.js';
import { asRole, type Means } from './privileges.js';
import { inRole } from './roles.js';
import type { RuntimeDirectory } from './runtime-directory.js';
import type { Household } from './supervisor.js';

/** More engines than this would hardly find work: one carries many captures. */
const MOST_ENGINES = 4;

/** What the supervisor has found out before it starts anything. */
interface Surroundings {
  readonly means: Means;
  readonly directory: RuntimeDirectory;
  readonly format: LogFormat;
  readonly capture: Pick<CaptureConfig, 'maxCaptures' | 'ringMemoryMebibytes' | 'packetMethod'>;
}

/** The real front, engines and discovery process: this same program in its other roles. */
export function createHousehold(
  argv: readonly string[],
  { means, directory, format, capture }: Surroundings,
): Household {
  const engineCount = Math.min(availableParallelism(), MOST_ENGINES);
  const sockets = Array.from({ length: engineCount }, (_, index) => directory.engineSocket(index));
  const environment = { ...process.env, PACKETFLIX_SUPERVISED: '1' };
  const behind = (role: 'engine' | 'discovery', socket: string, ...args: string[]): ChildProcess => {
    const command = inRole(role, ['--socket', socket, '--log-format', format, ...args]);
    return new ChildProcess(asRole(role, command, means), environment);
  };
  const frontEnvironment = {
    ...environment,
    PACKETFLIX_ENGINE_SOCKETS: sockets.join(delimiter),
    PACKETFLIX_DISCOVERY_SOCKET: directory.discoverySocket,
    ...becomingLater(means),
  };
  const forAllEngines = [
    ...['--engines', String(engineCount)],
    ...['--max-captures', String(capture.maxCaptures), '--ring-memory', String(capture.ringMemoryMebibytes)],
    ...['--packet-method', capture.packetMethod],
  ];
  return {
    engines: sockets.map((socket) => () => behind('engine', socket, ...forAllEngines)),
    discovery: () => behind('discovery', directory.discoverySocket),
    front: () => new ChildProcess(asRole('front', inRole('front', argv), means), frontEnvironment),
  };
}

/** Only root can read the code: then the front begins as root, and becomes the user when it has read it. */
function becomingLater({ closedTo }: Means): NodeJS.ProcessEnv {
  return closedTo ? { PACKETFLIX_BECOME: `${closedTo.uid}:${closedTo.gid}` } : {};
}
