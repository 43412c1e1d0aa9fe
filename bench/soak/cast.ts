import { setTimeout as sleep } from 'node:timers/promises';
import { churn, comeAndGo, type Deed, stall, visit } from './deeds.js';
import type { Faults } from './faults.js';
import { askNonsense, babble, misdirect } from './lies.js';
import type { Tally } from './tally.js';
import type { World } from './world.js';

interface Role {
  readonly name: string;
  readonly deed: Deed;
  /** Between one deed and the next, on average; chosen so that all together leave most of the machine alone. */
  readonly pauseMs: number;
  /** How many do this at the same time. */
  readonly actors?: number;
}

const ROLES: readonly Role[] = [
  { name: 'captures that come and go', deed: comeAndGo, pauseMs: 1_500, actors: 3 },
  { name: 'stalled clients', deed: stall, pauseMs: 15_000 },
  { name: 'namespaces that end', deed: churn, pauseMs: 4_000 },
  { name: 'bad requests', deed: askNonsense, pauseMs: 300 },
  { name: 'bad bytes', deed: babble, pauseMs: 500, actors: 3 },
  { name: 'bad directories', deed: misdirect, pauseMs: 3_000 },
  { name: 'visitors', deed: visit, pauseMs: 1_000 },
];

/** All clients together: they act until they are asked to pause, and again when the pause is over. */
export class Cast {
  private curtain = Promise.resolve();
  private raise = (): void => undefined;
  private ended = false;
  private acting = 0;
  private readonly done: Promise<unknown>;

  constructor(
    private readonly world: World,
    private readonly faults: Faults,
    private readonly tally: Tally,
  ) {
    const actors = ROLES.flatMap((role) => Array.from({ length: role.actors ?? 1 }, () => role));
    this.done = Promise.all(actors.map((role) => this.play(role)));
  }

  /** Comes back when everybody has finished what they were doing. */
  async pause(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    [this.curtain, this.raise] = [promise, resolve];
    while (this.acting > 0) await sleep(50);
  }

  resume(): void {
    this.raise();
  }

  async end(): Promise<void> {
    this.ended = true;
    this.resume();
    await this.done;
  }

  private async play({ name, deed, pauseMs }: Role): Promise<void> {
    while (!this.ended) {
      await sleep(pauseMs * this.world.random.between(0.5, 1.5));
      await this.curtain;
      if (this.ended) return;
      await this.act(name, deed);
    }
  }

  private async act(name: string, deed: Deed): Promise<void> {
    const began = performance.now();
    this.acting++;
    try {
      this.tally.count(`${name}: ${await deed(this.world)}`);
    } catch (error) {
      if (this.faults.excuse(began)) this.tally.count(`${name}: hit by a fault`);
      else this.tally.complain(`${name}: ${firstLines(error)}`);
    } finally {
      this.acting--;
    }
  }
}

function firstLines(error: unknown): string {
  const { cause } = error as Error;
  const text = String(error).slice(0, 500);
  return cause instanceof Error ? `${text} (${cause.message})` : text;
}
