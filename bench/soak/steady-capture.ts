import { setTimeout as sleep } from 'node:timers/promises';
import { CaptureClient } from '../../test/kit/capture-client.js';
import { eventually } from '../../test/kit/eventually.js';
import type { Faults } from './faults.js';
import type { Totals } from './totals.js';
import type { SoakEnvironment } from './soak-environment.js';

const RESTART_DELAY_MS = 500;
/** The longest delay of a timer. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/**
 * A capture that runs during the whole soak. It must not lose packets, and only a fault may end it; it is then restarted.
 */
export class SteadyCapture {
  packets = 0;
  private client?: CaptureClient;
  private stopped = false;
  private moving = false;
  private readonly done: Promise<void>;

  constructor(
    private readonly environment: SoakEnvironment,
    private readonly faults: Faults,
    private readonly totals: Totals,
  ) {
    this.done = this.run();
  }

  /** Restarts the capture, which puts it on the engine with the fewest captures. */
  async move(): Promise<void> {
    const { client } = this;
    this.moving = true;
    await client?.close().catch(() => undefined);
    await eventually('restart of the steady capture', () => this.client !== client);
    await this.client?.described('eth1');
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await this.client?.close().catch(() => undefined);
    await this.done;
  }

  private async run(): Promise<void> {
    while (!this.stopped) {
      try {
        await this.capture();
        // The service detects the end asynchronously; until then it still counts the capture.
        await sleep(RESTART_DELAY_MS);
      } catch (error) {
        if (this.stopped) return;
        if (this.faults.mayExplain(performance.now())) this.totals.count('steady capture: ended by a fault');
        else this.totals.fail(`steady capture: ${String(error)}`);
        await sleep(RESTART_DELAY_MS);
      }
    }
  }

  private async capture(): Promise<void> {
    const { service, steady } = this.environment;
    const request = { netns: steady.inode, nif: 'eth1' };
    await using client = await CaptureClient.open(service, request, { countOnly: true });
    this.client = client;
    this.moving = false;
    try {
      const { code, reason } = await client.ended(MAX_TIMEOUT_MS);
      if (!this.stopped && !this.moving) throw new Error(`ended with ${code} "${reason}"`);
    } finally {
      this.count(client);
    }
  }

  private count({ packetCounts, statistics, missing, disorder }: CaptureClient): void {
    this.packets += packetCounts.get('eth1') ?? 0;
    const dropped = statistics.at(-1)?.droppedBySystem ?? 0n;
    if (missing > 0 || disorder > 0 || dropped > 0n) {
      this.totals.fail(
        `steady capture: ${missing} packets missing, ${disorder} out of order, ${dropped} dropped`,
      );
    }
  }
}
