import { isUtf8 } from 'node:buffer';
import * as fc from 'fast-check';
import { WebSocket } from 'ws';
import { mobyshark } from '../fixtures/ghostwire-server.js';
import { CaptureClient } from '../kit/capture-client.js';
import { startAllThreads } from '../kit/all-processes.js';
import { readPcapng } from '../kit/pcapng.js';
import { describeAsRoot } from '../kit/root.js';
import type { Service } from '../kit/service.js';
import { type BadRequest, badRequest, hugeRequest } from './bad-requests.js';
import { discoveryForAllTests } from './directory.js';
import { Targets } from './targets.js';

const ROUNDS = 4;
const REQUESTS = 5_000;
const WARM_UP_REQUESTS = 500;
const CONCURRENT_REQUESTS = 24;
const ANSWER_TIMEOUT_MS = 30_000;
const MAX_REASON_BYTES = 123;
/** A leak of 7 kB per request exceeds this; fluctuations of the heaps do not. */
const MAX_GROWTH_KIB = 32 * 1024;

interface Answer {
  readonly code: number;
  readonly reason: Buffer;
  readonly stream: Buffer;
}

describeAsRoot('Bad requests', () => {
  const discovery = discoveryForAllTests();

  it(`are each refused with close code and reason and leak nothing, ${REQUESTS} of them`, async () => {
    const { service, ghostwire } = discovery.current;
    ghostwire.answer = mobyshark([{ name: 'someone', type: 'docker', netns: 1 }]);
    await using targets = await Targets.create();
    const seed = Date.now() & 0x7fff_ffff;
    console.info(`bad requests from seed ${seed}`);
    const sample = (arbitrary: fc.Arbitrary<BadRequest>, numRuns: number) =>
      fc.sample(arbitrary, { seed, numRuns });
    const { inode } = targets.first;

    const faults = new Map<string, number>();
    const send = (batch: readonly BadRequest[]) =>
      inParallel(batch, async (request) => {
        expectRefusal(request, await ask(service.url(`/capture?${request.query}`, 'ws'), request));
        faults.set(request.fault, (faults.get(request.fault) ?? 0) + 1);
      });
    await using captures = await startAllThreads(service);
    await send(sample(badRequest(inode), WARM_UP_REQUESTS));
    // The largest requests determine the size of the heaps.
    await send(sample(hugeRequest(inode), WARM_UP_REQUESTS));
    const before = await service.resourcesAtRest();
    faults.clear();
    const residentKiB = [memoryOf(service)];
    let after = before;
    for (const round of chunks(sample(badRequest(inode), REQUESTS), REQUESTS / ROUNDS)) {
      await send(round);
      after = await service.resourcesAtRest();
      residentKiB.push(memoryOf(service));
    }

    expect([...faults.values()].reduce((sum, count) => sum + count)).toBe(REQUESTS);
    // Each kind of fault must occur several times.
    expect(Math.min(...faults.values())).toBeGreaterThan(5);
    console.info(`bad requests: ${[...faults].map((each) => each.join(' ')).join(', ')}`);
    await captures.disposeAsync();
    // Processes that start on demand may have ended.
    expect(after.processes).toBeLessThanOrEqual(before.processes);
    expect(after.descriptors).toBeLessThanOrEqual(before.descriptors);
    expect(after.threads).toBeLessThanOrEqual(before.threads);
    console.info(`bad requests: memory after each round ${residentKiB.join(', ')} KiB`);
    expect((residentKiB.at(-1) ?? 0) - (residentKiB[0] ?? 0)).toBeLessThan(MAX_GROWTH_KIB);

    await using client = await CaptureClient.open(service, { netns: targets.first.inode });
    await client.described('first0');
  }, 300_000);
});

/** Resident memory of those processes that live as long as the test. */
function memoryOf(service: Service): number {
  return [...service.allInRole('server'), ...service.allInRole('engine')].reduce(
    (sum, { residentKiB }) => sum + residentKiB,
    0,
  );
}

function expectRefusal({ fault, query, headers, codes }: BadRequest, { code, reason, stream }: Answer): void {
  try {
    expect(codes).toContain(code);
    if (code < 1000) return;
    expect(reason.length).toBeGreaterThan(0);
    expect(reason.length).toBeLessThanOrEqual(MAX_REASON_BYTES);
    expect(isUtf8(reason)).toBe(true);
    if (headers['Clustershark-container'] === undefined) expect(stream).toHaveLength(0);
    else expect(readPcapng(stream).map(({ kind }) => kind)).toEqual(['section', 'interface', 'packet']);
  } catch (cause) {
    const what = JSON.stringify({ fault, query, headers }).slice(0, 2_000);
    throw new Error(`${code} "${reason.toString()}" for ${what}`, { cause });
  }
}

function ask(url: string, { headers }: BadRequest): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const socket = new WebSocket(url, { headers: { ...headers }, handshakeTimeout: ANSWER_TIMEOUT_MS });
  const pieces: Buffer[] = [];
  const timer = setTimeout(() => socket.terminate(), ANSWER_TIMEOUT_MS);
  socket.on('message', (piece: Buffer) => pieces.push(piece));
  socket.on('close', (code, reason) => {
    clearTimeout(timer);
    resolve({ code, reason, stream: Buffer.concat(pieces) });
  });
  socket.on('unexpected-response', (_, { statusCode = 0 }) => {
    clearTimeout(timer);
    resolve({ code: statusCode, reason: Buffer.alloc(0), stream: Buffer.alloc(0) });
    socket.terminate();
  });
  socket.on('error', reject);
  return promise;
}

function chunks<T>(items: readonly T[], length: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / length) }, (_, i) =>
    items.slice(i * length, (i + 1) * length),
  );
}

/** Processes CONCURRENT_REQUESTS items at the same time until the first failure. */
async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = items.values();
  const worker = async (): Promise<void> => {
    for (const item of left) await work(item);
  };
  await Promise.all(Array.from({ length: CONCURRENT_REQUESTS }, worker));
}
