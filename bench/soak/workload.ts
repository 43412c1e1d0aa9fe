import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Action,
  captureBriefly,
  captureByTicket,
  captureEndingNamespace,
  downloadBriefly,
  requestVersion,
  stallClient,
} from './actions.js';
import { queryBadDirectory, sendBadBytes, sendBadRequest } from './bad-input.js';
import type { Faults } from './faults.js';
import type { SoakEnvironment } from './soak-environment.js';
import type { Totals } from './totals.js';

interface Task {
  readonly name: string;
  readonly action: Action;
  /** Average pause between two actions. The machine is mostly idle with all tasks together. */
  readonly pauseMs: number;
  /** Number of clients that do this at the same time. */
  readonly clients?: number;
}

const TASKS: readonly Task[] = [
  { name: 'short captures', action: captureBriefly, pauseMs: 1_500, clients: 3 },
  { name: 'downloads', action: downloadBriefly, pauseMs: 1_500, clients: 3 },
  { name: 'tickets', action: captureByTicket, pauseMs: 2_000 },
  { name: 'stalled clients', action: stallClient, pauseMs: 15_000 },
  { name: 'ending namespaces', action: captureEndingNamespace, pauseMs: 4_000 },
  { name: 'bad requests', action: sendBadRequest, pauseMs: 300 },
  { name: 'bad bytes', action: sendBadBytes, pauseMs: 500, clients: 3 },
  { name: 'bad directories', action: queryBadDirectory, pauseMs: 3_000 },
  { name: 'version requests', action: requestVersion, pauseMs: 1_000 },
];

/** Runs all clients, which can be paused and resumed together. */
export class Workload {
  private resumed = Promise.resolve();
  private resolveResumed = (): void => undefined;
  private ended = false;
  private activeActions = 0;
  private readonly done: Promise<unknown>;

  constructor(
    private readonly environment: SoakEnvironment,
    private readonly faults: Faults,
    private readonly totals: Totals,
  ) {
    const clients = TASKS.flatMap((task) => Array.from({ length: task.clients ?? 1 }, () => task));
    this.done = Promise.all(clients.map((task) => this.runClient(task)));
  }

  /** Resolves when all running actions have finished. */
  async pause(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    [this.resumed, this.resolveResumed] = [promise, resolve];
    while (this.activeActions > 0) await sleep(50);
  }

  resume(): void {
    this.resolveResumed();
  }

  async end(): Promise<void> {
    this.ended = true;
    this.resume();
    await this.done;
  }

  private async runClient({ name, action, pauseMs }: Task): Promise<void> {
    while (!this.ended) {
      await sleep(pauseMs * this.environment.random.between(0.5, 1.5));
      await this.resumed;
      if (this.ended) return;
      await this.run(name, action);
    }
  }

  private async run(name: string, action: Action): Promise<void> {
    const startedAtMs = performance.now();
    this.activeActions++;
    try {
      this.totals.count(`${name}: ${await action(this.environment)}`);
    } catch (error) {
      if (this.faults.mayExplain(startedAtMs)) this.totals.count(`${name}: hit by a fault`);
      else this.totals.fail(`${name}: ${describe(error)}`);
    } finally {
      this.activeActions--;
    }
  }
}

function describe(error: unknown): string {
  const { cause } = error as Error;
  const text = String(error).slice(0, 500);
  return cause instanceof Error ? `${text} (${cause.message})` : text;
}
