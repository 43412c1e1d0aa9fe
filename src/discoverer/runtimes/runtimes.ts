import { closeSync } from 'node:fs';
import { readProcess, type ProcessFacts, type ProcessTable } from '../process-table.js';
import type { SourceBudget } from '../source-budget.js';
import type { ContainerMembership } from './cgroup.js';
import { isTrusted, limitsOf, sourceOf, type Claims } from './claims.js';
import { findMonitoredContainers } from './conmon.js';
import { exceeds, type Container, type ListedContainer } from './container.js';
import { findBundledContainers } from './containerd-bundles.js';
import { inspectProcesses, listContainers, RuntimeError } from './docker-api.js';
import { pathOfDescriptor } from './foreign-files.js';
import { findRuntimeRoots, type RuntimeRoot } from './roots.js';
import type { RuntimeEvents } from './runtime-events.js';
import { findRuntimeSockets, listenerAt, type RuntimeSocket } from './sockets.js';

const DEFAULT_TIMEOUT_MS = 2_000;
const DEFAULT_PAUSE_MS = 30_000;

export interface RuntimesOptions {
  /** Limit for all requests to a runtime, or to all runtimes of one container or user, in one scan. */
  readonly timeoutMs?: number;
  /** How long a runtime that has timed out is not asked again, so that it does not delay each scan. */
  readonly pauseMs?: number;
  /** Listens to the runtimes of root that have answered. */
  readonly events?: Pick<RuntimeEvents, 'listen'>;
}

export interface FoundContainers {
  readonly containers: readonly Container[];
  /** Sentences for the operator about runtimes whose containers could not be listed. */
  readonly problems: readonly string[];
}

/** What one scan looks at. */
interface Scan {
  readonly procRoot: string;
  readonly table: ProcessTable;
  readonly membership: ContainerMembership;
  readonly claims: Claims;
  /** For files of containers and users. */
  readonly budget: SourceBudget;
}

/**
 * Lists the containers of all runtimes. Keeps in mind which runtimes have timed out. The steps to add a runtime are in
 * docs/architecture.md, "How to extend it".
 */
export class Runtimes {
  private readonly timeoutMs: number;
  private readonly pauseMs: number;
  /** By socket, or by container or user. */
  private readonly pausedUntilMs = new Map<string, number>();
  private readonly events: RuntimesOptions['events'];
  /** What root's runtimes have listed last, by socket. */
  private readonly lastAnswers = new Map<string, readonly Container[]>();

  constructor({ timeoutMs = DEFAULT_TIMEOUT_MS, pauseMs = DEFAULT_PAUSE_MS, events }: RuntimesOptions = {}) {
    this.events = events;
    this.timeoutMs = timeoutMs;
    this.pauseMs = pauseMs;
  }

  /**
   * Lists all running containers, each once. What root's runtimes say takes precedence over what those of containers and
   * users say, and a runtime's API over the other sources.
   */
  async findContainers(
    procRoot: string,
    table: ProcessTable,
    membership: ContainerMembership,
    claims: Claims,
    budget: SourceBudget,
  ): Promise<FoundContainers> {
    const scan = { procRoot, table, membership, claims, budget };
    const roots = findRuntimeRoots(procRoot, table, claims);
    const { containers: answers, problems } = await this.askAll(
      scan,
      findRuntimeSockets(procRoot, roots, table, claims),
    );
    const found = [
      ...answers,
      ...this.survivors(table, answers),
      ...findMonitoredContainers(procRoot, table, claims, budget, problems),
      ...readBundles(scan, roots, problems),
      ...namedContainers(membership),
    ];
    return { containers: chooseContainers(found), problems: problems.sort() };
  }

  /** Asks each of root's runtimes at the same time, and so each container and user, but their runtimes one after another. */
  private async askAll(
    scan: Scan,
    sockets: readonly RuntimeSocket[],
  ): Promise<{ containers: Container[]; problems: string[] }> {
    const nowMs = performance.now();
    for (const [key, untilMs] of this.pausedUntilMs) if (untilMs < nowMs) this.pausedUntilMs.delete(key);
    const containers: Container[] = [];
    const problems: string[] = [];
    const groups = new Map<string, RuntimeSocket[]>();
    for (const socket of sockets) {
      const key = isTrusted(socket.claimant) ? socket.key : sourceOf(socket.claimant);
      groups.set(key, [...(groups.get(key) ?? []), socket]);
    }
    const askGroup = async (key: string, group: readonly RuntimeSocket[]): Promise<void> => {
      const signal = AbortSignal.timeout(this.timeoutMs);
      for (const socket of group) {
        try {
          containers.push(...(await this.ask(scan, key, socket, signal)));
        } catch (error) {
          const why = error instanceof RuntimeError ? error.message : String(error);
          problems.push(`cannot list the containers of the runtime at ${whereIs(socket)}: it ${why}`);
        }
      }
    };
    try {
      await Promise.all([...groups].map(([key, group]) => askGroup(key, group)));
    } finally {
      for (const { fd } of sockets) closeSync(fd);
    }
    return { containers, problems };
  }

  private async ask(
    scan: Scan,
    key: string,
    socket: RuntimeSocket,
    signal: AbortSignal,
  ): Promise<Container[]> {
    const timedOut = new RuntimeError(`did not answer within ${this.timeoutMs / 1000} s`);
    if (this.pausedUntilMs.has(key)) throw timedOut;
    try {
      if (socket.isForgeable && !(await this.isServedByRoot(scan, socket, signal))) {
        throw new RuntimeError('is not served by a process of root on the host');
      }
      const limits = limitsOf(socket.claimant);
      const listed = await listContainers(pathOfDescriptor(socket.fd), signal, limits);
      // Others could cause a scan all the time: what they do is found by looking at the processes.
      if (isTrusted(socket.claimant)) this.events?.listen(socket.key, pathOfDescriptor(socket.fd));
      const containers = await withProcesses(scan, socket, listed, signal);
      if (isTrusted(socket.claimant)) this.lastAnswers.set(socket.key, containers);
      return containers;
    } catch (error) {
      if (!signal.aborted) throw error;
      this.pausedUntilMs.set(key, performance.now() + this.pauseMs);
      throw timedOut;
    }
  }

  /**
   * The containers that a runtime has listed before, if it does not list them now because it is slow or is being restarted: those
   * whose process still runs. A capture of a set would lose them otherwise.
   */
  private survivors(table: ProcessTable, answers: readonly Container[]): Container[] {
    const listed = new Set(answers.map(({ process }) => process.pid));
    const survivors: Container[] = [];
    for (const [key, containers] of this.lastAnswers) {
      const alive = containers.flatMap((container) => {
        const { pid, startTime } = container.process;
        const process = table.get(pid);
        return process?.startTime === startTime && !listed.has(pid) ? [{ ...container, process }] : [];
      });
      survivors.push(...alive);
      // What the runtime lists again stays, and what has ended goes.
      if (alive.length === 0 && !containers.some(({ process }) => listed.has(process.pid)))
        this.lastAnswers.delete(key);
    }
    return survivors;
  }

  private async isServedByRoot(
    { table, claims }: Scan,
    { fd }: RuntimeSocket,
    signal: AbortSignal,
  ): Promise<boolean> {
    const listener = table.get(await listenerAt(pathOfDescriptor(fd), signal));
    return listener !== undefined && isTrusted(claims.claimant(listener));
  }
}

function whereIs({ label, claimant }: RuntimeSocket): string {
  const id = claimant.path.split('/').at(-1);
  return id ? `${label} in container ${id.slice(0, 12)}` : label;
}

/**
 * Adds the root processes. Control groups show those of all containers at once, with process ids of our own PID
 * namespace. For the others the runtime is asked, unless it runs in a container: then its process ids are of another
 * PID namespace.
 */
async function withProcesses(
  { procRoot, claims }: Scan,
  { fd, claimant }: RuntimeSocket,
  listed: readonly ListedContainer[],
  signal: AbortSignal,
): Promise<Container[]> {
  const reportsOurIds = claimant.path === '';
  const unknown = listed
    .filter(({ id, pid }) => pid === undefined && !claims.rootProcess(claimant, id))
    .map(({ id }) => id);
  const inspected =
    reportsOurIds && unknown.length > 0
      ? await inspectProcesses(pathOfDescriptor(fd), unknown, signal, limitsOf(claimant))
      : new Map<string, number>();
  const reportedProcess = (id: string, pid = inspected.get(id)): ProcessFacts | undefined => {
    const process = reportsOurIds && pid !== undefined ? readProcess(procRoot, pid) : undefined;
    return process && claims.mayClaim(claimant, process) ? process : undefined;
  };
  return listed.flatMap(({ pid, ...container }) => {
    const process = claims.rootProcess(claimant, container.id) ?? reportedProcess(container.id, pid);
    // A container without a process has ended since it was listed.
    return process ? [{ ...container, process, claimant }] : [];
  });
}

function readBundles(scan: Scan, roots: readonly RuntimeRoot[], problems: string[]): Container[] {
  const { procRoot, claims, budget } = scan;
  const found: Container[] = [];
  for (const root of roots) {
    const source = sourceOf(root.claimant);
    let beginMs = performance.now();
    for (const container of findBundledContainers(procRoot, root, claims)) {
      if (container) found.push(container);
      budget.count(source, beginMs);
      beginMs = performance.now();
      if (budget.hasTime(source)) continue;
      problems.push(`cannot list all containers of containerd in ${source.slice(0, 12)}: there are too many`);
      break;
    }
    budget.count(source, beginMs);
  }
  return found;
}

function namedContainers(membership: ContainerMembership): Container[] {
  return membership.namedContainers().flatMap(({ id, named, process, outer }) => {
    const user = /^\/user@(\d+)$/.exec(outer)?.[1];
    const claimant = user === undefined ? { path: outer } : { path: '', user: Number(user) };
    return named ? [{ id, ...named, process, claimant }] : [];
  });
}

/** Each process is the first of one container: the most trusted source wins, then the first one. */
function chooseContainers(found: readonly Container[]): Container[] {
  const byProcess = new Map<number, Container>();
  const countBySource = new Map<string, number>();
  const trustedFirst = [
    ...found.filter(({ claimant }) => isTrusted(claimant)),
    ...found.filter(({ claimant }) => !isTrusted(claimant)),
  ];
  for (const each of trustedFirst) {
    const { nameBytes, containers } = limitsOf(each.claimant);
    const source = sourceOf(each.claimant);
    const count = countBySource.get(source) ?? 0;
    if (byProcess.has(each.process.pid) || count >= containers || exceeds(each.name, nameBytes)) continue;
    byProcess.set(each.process.pid, each);
    countBySource.set(source, count + 1);
  }
  return [...byProcess.values()];
}
