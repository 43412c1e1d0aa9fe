import type { ContainerMembership } from './container-membership.js';
import type { Container, ListedContainer } from './container.js';
import { inspectProcesses, listContainers } from './runtime-api.js';
import { EngineError } from './runtime-request.js';
import type { EngineSocket } from './runtime-sockets.js';
import { readProcess } from '../process-table.js';

const DEFAULT_TIMEOUT_MS = 2_000;
/** An engine that hangs is left out for so long, so that it does not make every look around slow. */
const DEFAULT_PAUSE_MS = 30_000;

export interface EnginesOptions {
  readonly timeoutMs?: number;
  readonly pauseMs?: number;
}

/** What engines tell, and about which there is something to be said. */
export interface EnginesAnswer {
  readonly containers: readonly Container[];
  readonly problems: readonly string[];
}

/** Asks container engines, each for a short time only and never one that has just been too slow. */
export class Engines {
  private readonly timeoutMs: number;
  private readonly pauseMs: number;
  /** By socket: until when not to ask again. */
  private readonly pausedUntilMs = new Map<string, number>();

  constructor({ timeoutMs = DEFAULT_TIMEOUT_MS, pauseMs = DEFAULT_PAUSE_MS }: EnginesOptions = {}) {
    this.timeoutMs = timeoutMs;
    this.pauseMs = pauseMs;
  }

  async ask(
    procRoot: string,
    sockets: readonly EngineSocket[],
    membership: ContainerMembership,
  ): Promise<EnginesAnswer> {
    const containers: Container[] = [];
    const problems: string[] = [];
    const ask = async (socket: EngineSocket): Promise<void> => {
      try {
        containers.push(...(await this.askOne(procRoot, socket, membership)));
      } catch (error) {
        const where = socket.outer === undefined ? '' : ` in container ${socket.outer.slice(0, 12)}`;
        const what = error instanceof EngineError ? error.message : String(error);
        problems.push(`no containers of the engine at ${socket.label}${where}: it ${what}`);
      }
    };
    await Promise.all(sockets.map(ask));
    return { containers, problems: problems.sort() };
  }

  private async askOne(
    procRoot: string,
    socket: EngineSocket,
    membership: ContainerMembership,
  ): Promise<Container[]> {
    const late = new EngineError(`did not answer within ${this.timeoutMs / 1000} s`);
    if (performance.now() < (this.pausedUntilMs.get(socket.key) ?? 0)) throw late;
    this.pausedUntilMs.delete(socket.key);
    const timer = new AbortController();
    const timeout = setTimeout(() => timer.abort(late), this.timeoutMs);
    try {
      const listed = await listContainers(socket.path, timer.signal);
      return await this.withProcesses(procRoot, socket, listed, membership, timer.signal);
    } catch (error) {
      if (error === late) this.pausedUntilMs.set(socket.key, performance.now() + this.pauseMs);
      throw error;
    } finally {
      clearTimeout(timeout);
    }
  }

  /**
   * Control groups tell the processes of all containers at once, and in our own process ids. An engine that is asked
   * for them instead, one by one, tells them in its own: of no use when it runs in a container.
   */
  private async withProcesses(
    procRoot: string,
    { path, outer }: EngineSocket,
    listed: readonly ListedContainer[],
    membership: ContainerMembership,
    signal: AbortSignal,
  ): Promise<Container[]> {
    const unknown = listed.filter(({ id, pid }) => pid === undefined && !membership.rootProcess(id));
    const inspected =
      outer === undefined && unknown.length > 0
        ? await inspectProcesses(
            path,
            unknown.map(({ id }) => id),
            signal,
          )
        : new Map<string, number>();
    return listed.flatMap(({ pid, ...container }) => {
      const told = outer === undefined ? (pid ?? inspected.get(container.id)) : undefined;
      const process =
        membership.rootProcess(container.id) ??
        (told === undefined ? undefined : readProcess(procRoot, told));
      // Without a process it has ended meanwhile.
      return process ? [{ ...container, process, ...(outer !== undefined && { outer }) }] : [];
    });
  }
}
