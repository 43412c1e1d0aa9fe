import { setTimeout as sleep } from 'node:timers/promises';
import { CaptureClient } from '../../test/kit/capture-client.js';
import { eventually } from '../../test/kit/eventually.js';
import type { Faults } from './faults.js';
import type { Tally } from './tally.js';
import type { World } from './world.js';

const AGAIN_MS = 500;
/** As long as a timer can take. */
const FOR_EVER_MS = 2 ** 31 - 1;

/**
 * A capture that runs all the time beside everything else. Nothing may be missing in it, and nothing but a fault may
 * end it; then it is started again.
 */
export class SteadyCapture {
  packets = 0;
  private client?: CaptureClient;
  private stopped = false;
  private moving = false;
  private readonly done: Promise<void>;

  constructor(
    private readonly world: World,
    private readonly faults: Faults,
    private readonly tally: Tally,
  ) {
    this.done = this.run();
  }

  /** Ends it and begins again, where there are fewest captures now. */
  async move(): Promise<void> {
    const { client } = this;
    this.moving = true;
    await client?.close().catch(() => undefined);
    await eventually('the steady capture to begin again', () => this.client !== client);
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
        // The service learns of the end a moment after us, and only then counts one capture less.
        await sleep(AGAIN_MS);
      } catch (error) {
        if (this.stopped) return;
        if (this.faults.excuse(performance.now())) this.tally.count('steady capture: ended by a fault');
        else this.tally.complain(`steady capture: ${String(error)}`);
        await sleep(AGAIN_MS);
      }
    }
  }

  private async capture(): Promise<void> {
    const { service, steady } = this.world;
    const request = { netns: steady.inode, nif: 'eth1' };
    await using client = await CaptureClient.open(service, request, { countOnly: true });
    this.client = client;
    this.moving = false;
    try {
      const { code, reason } = await client.ended(FOR_EVER_MS);
      if (!this.stopped && !this.moving) throw new Error(`ended with ${code} "${reason}"`);
    } finally {
      this.count(client);
    }
  }

  private count({ packetCounts, statistics, missing, disorder }: CaptureClient): void {
    this.packets += packetCounts.get('eth1') ?? 0;
    const dropped = statistics.at(-1)?.droppedBySystem ?? 0n;
    if (missing > 0 || disorder > 0 || dropped > 0n) {
      this.tally.complain(
        `steady capture: ${missing} packets missing, ${disorder} out of order, ${dropped} dropped`,
      );
    }
  }
}
