import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench } from '../bench.js';
import type { StreamReport } from '../client/client-messages.js';
import type { TestBed } from '../load/test-bed.js';
import { memoryOfTreesMiB } from '../measure/resources.js';
import { quantile, count, figure } from '../report/figures.js';
import type { ServiceSubject } from '../subjects/service-subject.js';
import type { Findings } from './scenario.js';

const FRAME_BYTES = 200;
const PACKETS_PER_SECOND = 50_000;
/** Time of normal reading before the stall, and again after it. */
const FLOWING_MS = 3_000;
const SAMPLE_MS = 500;
const SETTLE_MS = 2_000;

/** A client stops reading under load and resumes, while another one continues to read. */
export async function measureStall(bench: Bench): Promise<Findings> {
  const bed = await bench.testBed();
  const rows: string[][] = [];
  for (const service of bench.services()) {
    bench.progress(`a client stalls for ${bench.options.stallSeconds} s, ${service.name}`);
    rows.push(...(await stall(bench, bed, service)));
  }
  await bed.namespace.end();
  return {
    tables: [
      {
        title: `A client stalls for ${bench.options.stallSeconds} s at ${count(PACKETS_PER_SECOND)} packets/s`,
        columns: [
          'client',
          'offered',
          'delivered',
          'isb_osdrop',
          'missing',
          'latency p99 ms',
          'stream',
          'memory MiB',
        ],
        rows,
        notes: [
          '"missing": neither delivered nor in the statistics. Latency of the client that continues to read: before the stall of the' +
            ' other one, and during it. Memory of all processes of the service: before the stall, its maximum during it, and after.',
        ],
      },
    ],
    data: rows,
  };
}

async function stall(bench: Bench, bed: TestBed, service: ServiceSubject): Promise<string[][]> {
  const memory = () => memoryOfTreesMiB([service.pid]);
  const stalled = await service.open(bed, [bed.captured()]);
  const reading = await service.open(bed, [bed.captured()]);
  const seconds = bench.options.stallSeconds + (2 * FLOWING_MS) / 1_000;
  await using generator = await bench.generator.start(bed.namespace, bed.sending(), {
    frameBytes: FRAME_BYTES,
    packetsPerSecond: PACKETS_PER_SECOND,
    seconds,
  });
  await sleep(FLOWING_MS);
  const before = memory();
  const beforeStall = p99(await reading.report(true));

  stalled.stall();
  let maximum = before;
  for (let waited = 0; waited < bench.options.stallSeconds * 1_000; waited += SAMPLE_MS) {
    await sleep(SAMPLE_MS);
    maximum = Math.max(maximum, memory());
  }
  const duringStall = p99(await reading.report(true));
  stalled.resume();

  await generator.ended;
  await stalled.quiet();
  await sleep(SETTLE_MS);
  const sent = Number(/sent (\d+)/.exec(generator.stdout)?.[1] ?? NaN);
  const after = memory();
  const rows = [
    row(
      `${service.name}: stalls`,
      sent,
      await stalled.report(),
      '–',
      [before, maximum, after].map(figure).join(' / '),
    ),
    row(
      `${service.name}: continues to read`,
      sent,
      await reading.report(),
      `${figure(beforeStall)} / ${figure(duringStall)}`,
      '',
    ),
  ];
  stalled.close();
  reading.close();
  return rows;
}

function row(name: string, sent: number, [report]: readonly StreamReport[], latency: string, memory: string) {
  if (!report) throw new Error('the client has lost a stream');
  const { packets, dropped } = report;
  const state = report.damage ?? report.closing ?? (report.whole ? 'whole' : 'ends within a block');
  return [
    name,
    count(sent),
    count(packets),
    count(dropped),
    count(sent - packets - dropped),
    latency,
    state,
    memory,
  ];
}

function p99([report]: readonly StreamReport[]): number {
  return quantile(Float64Array.from(report?.latencies ?? []).sort(), 0.99);
}
