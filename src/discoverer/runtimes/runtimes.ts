import { readProcess, type ProcessTable } from '../process-table.js';
import type { ContainerMembership } from './cgroup.js';
import { findMonitoredContainers } from './conmon.js';
import type { Container, ListedContainer } from './container.js';
import { findBundledContainers } from './containerd-bundles.js';
import { inspectProcesses, listContainers, RuntimeError } from './docker-api.js';
import { findRuntimeRoots } from './roots.js';
import { findRuntimeSockets, type RuntimeSocket } from './sockets.js';

const DEFAULT_TIMEOUT_MS = 2_000;
const DEFAULT_PAUSE_MS = 30_000;

export interface RuntimesOptions {
  /** Limit for all requests to a runtime in one scan. */
  readonly timeoutMs?: number;
  /** How long a runtime that has timed out is not asked again, so that it does not delay each scan. */
  readonly pauseMs?: number;
}

export interface FoundContainers {
  readonly containers: readonly Container[];
  /** Sentences for the operator about runtimes whose containers could not be listed. */
  readonly problems: readonly string[];
}

/**
 * Lists the containers of all runtimes. Keeps in mind which runtimes have timed out. The steps to add a runtime are in
 * docs/architecture.md, "How to extend it".
 */
export class Runtimes {
  private readonly timeoutMs: number;
  private readonly pauseMs: number;
  /** By key of the socket. */
  private readonly pausedUntilMs = new Map<string, number>();

  constructor({ timeoutMs = DEFAULT_TIMEOUT_MS, pauseMs = DEFAULT_PAUSE_MS }: RuntimesOptions = {}) {
    this.timeoutMs = timeoutMs;
    this.pauseMs = pauseMs;
  }

  /** Lists all running containers, each once. A runtime's API takes precedence over the other sources. */
  async findContainers(
    procRoot: string,
    table: ProcessTable,
    membership: ContainerMembership,
  ): Promise<FoundContainers> {
    const roots = findRuntimeRoots(procRoot, table, membership);
    const sockets = findRuntimeSockets(procRoot, roots, table);
    const { containers, problems } = await this.askAll(procRoot, sockets, membership);
    const byProcess = new Map<number, Container>();
    const sources = [
      containers,
      findMonitoredContainers(procRoot, table, membership),
      roots.flatMap((root) => findBundledContainers(procRoot, root, membership)),
      membership.namedContainers(),
    ];
    for (const each of sources.flat()) {
      if (!byProcess.has(each.process.pid)) byProcess.set(each.process.pid, each);
    }
    return { containers: [...byProcess.values()], problems };
  }

  private async askAll(
    procRoot: string,
    sockets: readonly RuntimeSocket[],
    membership: ContainerMembership,
  ): Promise<FoundContainers> {
    const containers: Container[] = [];
    const problems: string[] = [];
    const ask = async (socket: RuntimeSocket): Promise<void> => {
      try {
        containers.push(...(await this.ask(procRoot, socket, membership)));
      } catch (error) {
        const where = socket.outer === undefined ? '' : ` in container ${socket.outer.slice(0, 12)}`;
        const why = error instanceof RuntimeError ? error.message : String(error);
        problems.push(`cannot list the containers of the runtime at ${socket.label}${where}: it ${why}`);
      }
    };
    await Promise.all(sockets.map(ask));
    return { containers, problems: problems.sort() };
  }

  private async ask(
    procRoot: string,
    socket: RuntimeSocket,
    membership: ContainerMembership,
  ): Promise<Container[]> {
    const timedOut = new RuntimeError(`did not answer within ${this.timeoutMs / 1000} s`);
    if (performance.now() < (this.pausedUntilMs.get(socket.key) ?? 0)) throw timedOut;
    this.pausedUntilMs.delete(socket.key);
    const signal = AbortSignal.timeout(this.timeoutMs);
    try {
      const listed = await listContainers(socket.path, signal);
      return await this.withProcesses(procRoot, socket, listed, membership, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
      this.pausedUntilMs.set(socket.key, performance.now() + this.pauseMs);
      throw timedOut;
    }
  }

  /**
   * Adds the root processes. Control groups show those of all containers at once, with process ids of our own PID
   * namespace. For the others the runtime is asked, unless it runs in a container: then its process ids are of another
   * PID namespace.
   */
  private async withProcesses(
    procRoot: string,
    { path, outer }: RuntimeSocket,
    listed: readonly ListedContainer[],
    membership: ContainerMembership,
    signal: AbortSignal,
  ): Promise<Container[]> {
    const unknown = listed
      .filter(({ id, pid }) => pid === undefined && !membership.rootProcess(id))
      .map(({ id }) => id);
    const inspected =
      outer === undefined && unknown.length > 0
        ? await inspectProcesses(path, unknown, signal)
        : new Map<string, number>();
    return listed.flatMap(({ pid, ...container }) => {
      const reported = outer === undefined ? (pid ?? inspected.get(container.id)) : undefined;
      const process =
        membership.rootProcess(container.id) ??
        (reported === undefined ? undefined : readProcess(procRoot, reported));
      // A container without a process has ended since it was listed.
      return process ? [{ ...container, process, ...(outer !== undefined && { outer }) }] : [];
    });
  }
}
