import { eventually } from '../kit/eventually.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { PacketSender } from '../kit/packets.js';
import { processTree } from '../kit/processes.js';
import type { Service } from '../kit/service.js';
import { WatchedCapture } from './watched-capture.js';

export const PACKETS_PER_SECOND = 5_000;
/** Until the window of the newest packets is full and the page has its final size. */
const WARM_UP_MS = 6_000;

export interface LoadReport {
  readonly packetsPerSecond: number;
  /** Milliseconds between frames that 95 % do not exceed. */
  readonly frameGapMs: number;
  readonly frames: number;
  /** JavaScript objects and buffers of the page, after warm-up and at the end. */
  readonly heapMib: readonly [number, number];
  /** The renderer process: page, worker and dissectors. */
  readonly rendererMib: readonly [number, number];
}

/** Watches a capture of 5,000 packets/s with the dissectors on. */
export async function watchLoad(service: Service, milliseconds: number): Promise<LoadReport> {
  await using namespace = await NetworkNamespace.create();
  await namespace.addWire('w0', 'w1');
  await using watched = await WatchedCapture.open(service, namespace, { interfaces: 'w0' });
  await watched.capturing();
  await watched.loadDissectors();
  await using sender = await PacketSender.start(namespace, {
    interface: 'w0',
    sizes: [60, 90, 400, 1400],
    ratePerSecond: PACKETS_PER_SECOND,
  });
  const { page } = watched;
  await page.waitForTimeout(WARM_UP_MS);
  const [heapBefore, rendererBefore] = [await heapMib(watched), rendererMib()];
  const packetsBefore = await watched.counter('Captured');
  const begin = performance.now();
  const gaps = await page.evaluate(
    (duration) =>
      new Promise<number[]>((resolve) => {
        const { requestAnimationFrame } = globalThis as unknown as AnimationFrames;
        const gaps: number[] = [];
        const start = performance.now();
        let last = start;
        const frame = (now: number) => {
          gaps.push(now - last);
          last = now;
          if (now - start < duration) requestAnimationFrame(frame);
          else resolve(gaps);
        };
        requestAnimationFrame(frame);
      }),
    milliseconds,
  );
  const packets = (await watched.counter('Captured')) - packetsBefore;
  const seconds = (performance.now() - begin) / 1000;
  const [heapAfter, rendererAfter] = [await heapMib(watched), rendererMib()];
  const sent = await sender.stop();
  await eventually('all packets', async () => (await watched.counter('Captured')) === sent);
  await watched.rows(String(sent)).waitFor();
  gaps.sort((one, other) => one - other);
  return {
    packetsPerSecond: packets / seconds,
    frameGapMs: gaps[Math.floor(gaps.length * 0.95)] ?? Infinity,
    frames: gaps.length,
    heapMib: [heapBefore, heapAfter],
    rendererMib: [rendererBefore, rendererAfter],
  };
}

/** Of the browser, whose types tests do not have. */
interface AnimationFrames {
  readonly requestAnimationFrame: (callback: (now: number) => void) => void;
}

/** JavaScript objects and buffers of the page that are in use. */
async function heapMib({ page }: WatchedCapture): Promise<number> {
  const session = await page.context().newCDPSession(page);
  await session.send('HeapProfiler.collectGarbage');
  const usage = (await session.send('Runtime.getHeapUsage')) as {
    usedSize: number;
    backingStorageSize?: number;
  };
  await session.detach();
  return (usage.usedSize + (usage.backingStorageSize ?? 0)) / 2 ** 20;
}

/** Resident memory of the largest renderer of the browser that this process has started. */
function rendererMib(): number {
  const renderers = processTree(process.pid).filter(({ command }) => command.includes('--type=renderer'));
  return Math.max(...renderers.map(({ residentKiB }) => residentKiB)) / 1024;
}
