import { setTimeout as sleep } from 'node:timers/promises';
import type { Resources } from '../../test/kit/service.js';
import type { Bench } from '../bench.js';
import { cpuOfTrees, totalSeconds } from '../measure/resources.js';
import { Responsiveness } from '../measure/responsiveness.js';
import { quantile, spreadOf, count, figure, spread } from '../report/figures.js';
import type { Findings } from './scenario.js';

/** Captures that start and stop together. */
const SIMULTANEOUS = 20;
const LIFE_MS = 100;
const SETTLE_MS = 3_000;

/** Captures that start and stop repeatedly: their rate and the resources that they leak. Only for our own service. */
export async function measureStorm(bench: Bench): Promise<Findings> {
  const bed = await bench.testBed();
  const [service] = bench.services();
  if (!service) throw new Error('no service is running');
  // The first captures let heaps and thread pools grow to their working size.
  (await service.open(bed, [bed.captured()], SIMULTANEOUS)).close();
  await sleep(SETTLE_MS);
  const before = bench.service.resources();
  const cpu = totalSeconds(cpuOfTrees([service.pid]));
  const responsiveness = new Responsiveness(service.url('/version'));
  const firstBytes: number[] = [];
  const start = performance.now();
  const end = start + bench.options.seconds * bench.options.rounds * 1_000;
  bench.progress(`start and stop storm of ${bench.options.seconds * bench.options.rounds} s`);
  while (performance.now() < end) {
    const streams = await service.open(bed, [bed.captured()], SIMULTANEOUS);
    firstBytes.push(...(await streams.report()).map(({ firstByteMs = NaN }) => firstByteMs));
    await sleep(Math.random() * LIFE_MS);
    streams.close();
  }
  const seconds = (performance.now() - start) / 1_000;
  const cpuSeconds = totalSeconds(cpuOfTrees([service.pid])) - cpu;
  const versionMs = await responsiveness.stop();
  await sleep(SETTLE_MS);
  const after = bench.service.resources();
  await bed.namespace.end();
  const columns = ['captures', 'per s', 'CPU ms each', 'first byte ms', '/version p99 ms', 'leaked'];
  const row = [
    count(firstBytes.length),
    figure(firstBytes.length / seconds),
    figure((cpuSeconds / firstBytes.length) * 1_000),
    spread(spreadOf(firstBytes)),
    figure(quantile(versionMs, 0.99)),
    difference(before, after),
  ];
  return {
    tables: [{ title: `Start and stop storm, ${SIMULTANEOUS} simultaneous captures`, columns, rows: [row] }],
    data: { firstBytes, before, after },
  };
}

function difference(before: Resources, after: Resources): string {
  return [
    `${after.processes - before.processes} processes`,
    `${after.threads - before.threads} threads`,
    `${after.descriptors - before.descriptors} descriptors`,
    `${figure((after.residentKiB - before.residentKiB) / 1024)} MiB`,
  ].join(', ');
}
