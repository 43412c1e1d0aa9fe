import { availableParallelism } from 'node:os';
import { delimiter } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { LogFormat } from '../logging/log-format.js';
import type { CapabilitySet } from './capabilities.js';
import { ChildProcess } from './child-process.js';
import { asEngine, asFront, type Command } from './privileges.js';
import type { RuntimeDirectory } from './runtime-directory.js';
import type { Household } from './supervisor.js';

/** More engines than this would hardly find work: one carries many captures. */
const MOST_ENGINES = 4;

/** What the supervisor has found out before it starts anything. */
interface Surroundings {
  readonly capabilities: CapabilitySet;
  readonly directory: RuntimeDirectory;
  readonly format: LogFormat;
}

/** The real front, engines and discovery process: this same program in its other roles. */
export function createHousehold(
  argv: readonly string[],
  { capabilities, directory, format }: Surroundings,
): Household {
  const engineCount = Math.min(availableParallelism(), MOST_ENGINES);
  const sockets = Array.from({ length: engineCount }, (_, index) => directory.engineSocket(index));
  const frontEnvironment = {
    ...process.env,
    PACKETFLIX_SUPERVISED: '1',
    PACKETFLIX_ENGINE_SOCKETS: sockets.join(delimiter),
    PACKETFLIX_DISCOVERY_SOCKET: directory.discoverySocket,
  };
  return {
    engines: sockets.map(
      (socket) => () =>
        new ChildProcess(
          asEngine(
            inRole('engine', ['--socket', socket, '--engines', String(engineCount), '--log-format', format]),
          ),
          process.env,
        ),
    ),
    discovery: () =>
      new ChildProcess(
        asEngine(inRole('discovery', ['--socket', directory.discoverySocket, '--log-format', format])),
        process.env,
      ),
    front: () => new ChildProcess(asFront(inRole('front', argv), capabilities), frontEnvironment),
  };
}

function inRole(role: 'engine' | 'discovery' | 'front', args: readonly string[]): Command {
  const program = fileURLToPath(new URL('../main.js', import.meta.url));
  return { file: process.execPath, args: [program, role, ...args] };
}
