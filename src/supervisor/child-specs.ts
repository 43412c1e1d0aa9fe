import { availableParallelism } from 'node:os';
import { delimiter } from 'node:path';
import type { CaptureConfig } from '../server/config/capture.config.js';
import type { LogFormat } from '../shared/logging/log-line.js';
import { ChildProcess } from './child-process.js';
import { asRole, type GrantedPrivileges } from './privileges.js';
import { inRole } from './roles.js';
import type { RuntimeDirectory } from './runtime-directory.js';
import type { ChildSpecs } from './supervisor.js';

/** More engines than this would hardly find work: one carries many captures. */
const MOST_ENGINES = 4;

/** What the supervisor has found out before it starts anything. */
interface Surroundings {
  readonly granted: GrantedPrivileges;
  readonly directory: RuntimeDirectory;
  readonly format: LogFormat;
  readonly capture: Pick<CaptureConfig, 'maxCaptures' | 'ringMemoryMebibytes' | 'packetMethod'>;
}

/** The real server, engines and discoverer: this same program in its other roles. */
export function createChildSpecs(
  argv: readonly string[],
  { granted, directory, format, capture }: Surroundings,
): ChildSpecs {
  const engineCount = Math.min(availableParallelism(), MOST_ENGINES);
  const sockets = Array.from({ length: engineCount }, (_, index) => directory.engineSocket(index));
  const environment = { ...process.env, PACKETFLIX_SUPERVISED: '1' };
  const behind = (role: 'engine' | 'discoverer', socket: string, ...args: string[]): ChildProcess => {
    const command = inRole(role, ['--socket', socket, '--log-format', format, ...args]);
    return new ChildProcess(asRole(role, command, granted), environment);
  };
  const serverEnvironment = {
    ...environment,
    PACKETFLIX_ENGINE_SOCKETS: sockets.join(delimiter),
    PACKETFLIX_DISCOVERER_SOCKET: directory.discovererSocket,
    ...becomingLater(granted),
  };
  const forAllEngines = [
    ...['--engines', String(engineCount)],
    ...['--max-captures', String(capture.maxCaptures), '--ring-memory', String(capture.ringMemoryMebibytes)],
    ...['--packet-method', capture.packetMethod],
  ];
  return {
    engines: sockets.map((socket) => () => behind('engine', socket, ...forAllEngines)),
    discoverer: () => behind('discoverer', directory.discovererSocket),
    server: () => new ChildProcess(asRole('server', inRole('server', argv), granted), serverEnvironment),
  };
}

/** Only root can read the code: then the server begins as root, and becomes the user when it has read it. */
function becomingLater({ closedTo }: GrantedPrivileges): NodeJS.ProcessEnv {
  return closedTo ? { PACKETFLIX_BECOME: `${closedTo.uid}:${closedTo.gid}` } : {};
}
