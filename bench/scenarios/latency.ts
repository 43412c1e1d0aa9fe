import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench } from '../bench.js';
import type { TestBed } from '../load/test-bed.js';
import { quantile, count, figure } from '../report/figures.js';
import { DumpcapStream } from '../subjects/dumpcap-stream.js';
import type { ServiceSubject } from '../subjects/service-subject.js';
import { rotated, type Findings } from './scenario.js';

const PACKETS_PER_SECOND = 100;
const FRAME_BYTES = 200;
/** dumpcap writes packets only every 250 ms. */
const LAST_PACKETS_MS = 600;

interface Candidate {
  readonly name: string;
  /** Milliseconds from a packet's timestamp to its arrival. */
  readonly measure: () => Promise<readonly number[]>;
}

/** Time that a packet takes from the kernel to the client at a low rate. */
export async function measureLatency(bench: Bench): Promise<Findings> {
  const bed = await bench.testBed();
  const candidates: Candidate[] = [
    ...bench
      .services(true)
      .map((service) => ({ name: service.name, measure: () => ofService(bench, bed, service) })),
    { name: 'dumpcap -w -', measure: () => ofDumpcap(bench, bed) },
  ];
  const latencies = new Map<string, number[]>();
  for (let round = 0; round < bench.options.rounds; round += 1) {
    for (const { name, measure } of rotated(candidates, round)) {
      bench.progress(`latency, round ${round + 1}, ${name}`);
      latencies.set(name, [...(latencies.get(name) ?? []), ...(await measure())]);
    }
  }
  await bed.namespace.end();
  const rows = candidates.map(({ name }) => {
    const sorted = Float64Array.from(latencies.get(name) ?? []).sort();
    return [
      name,
      count(sorted.length),
      ...[0.5, 0.9, 0.99, 1].map((share) => figure(quantile(sorted, share))),
    ];
  });
  return {
    tables: [
      {
        title: `Latency at ${PACKETS_PER_SECOND} packets/s`,
        columns: ['subject', 'packets', 'p50 ms', 'p90 ms', 'p99 ms', 'max ms'],
        rows,
        notes: [
          'From the timestamp in the packet block (the kernel, when the packet arrives) to when the client has read it;' +
            ' both read CLOCK_REALTIME of this machine.',
        ],
      },
    ],
    data: Object.fromEntries(latencies),
  };
}

function send(bench: Bench, bed: TestBed) {
  const load = {
    frameBytes: FRAME_BYTES,
    packetsPerSecond: PACKETS_PER_SECOND,
    seconds: bench.options.seconds,
  };
  return bench.generator.start(bed.namespace, bed.sending(), load);
}

async function ofService(bench: Bench, bed: TestBed, service: ServiceSubject): Promise<readonly number[]> {
  const run = await service.start(bed);
  await using generator = await send(bench, bed);
  await generator.ended;
  await run.settle();
  return (await run.stop()).latencies ?? [];
}

async function ofDumpcap(bench: Bench, bed: TestBed): Promise<readonly number[]> {
  await using dumpcap = DumpcapStream.start(bed, [bed.captured()]);
  await dumpcap.whenBegun();
  await using generator = await send(bench, bed);
  await generator.ended;
  await sleep(LAST_PACKETS_MS);
  return dumpcap.latencies;
}
