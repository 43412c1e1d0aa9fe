import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench } from '../bench.js';
import type { TestBed } from '../load/test-bed.js';
import { spreadOf, figure, spread } from '../report/figures.js';
import { DumpcapStream } from '../subjects/dumpcap-stream.js';
import type { ServiceSubject } from '../subjects/service-subject.js';
import type { Findings } from './scenario.js';

const FILTERS = ['', 'udp port 9 and not host 192.0.2.99'];
const ATTEMPTS_PER_ROUND = 7;
/** Rings are closed asynchronously; the next attempt must not wait for that. */
const BETWEEN_ATTEMPTS_MS = 150;

interface Candidate {
  readonly name: string;
  readonly measure: (filter: string) => Promise<number>;
}

/** Time from connecting to the first byte of pcapng, compared with dumpcap's from its start to its first byte. */
export async function measureFirstByte(bench: Bench): Promise<Findings> {
  const bed = await bench.testBed();
  const candidates: Candidate[] = [
    { name: 'dumpcap -w -', measure: (filter) => ofDumpcap(bed, filter) },
    ...bench.services().map((service) => ({
      name: service.name,
      measure: (filter: string) => ofService(bed, service, filter),
    })),
  ];
  const times = new Map<string, number[]>();
  for (const filter of FILTERS) {
    bench.progress(`first byte ${filter ? 'with' : 'without'} filter`);
    for (let attempt = 0; attempt < bench.options.rounds * ATTEMPTS_PER_ROUND; attempt += 1) {
      for (const { name, measure } of candidates) {
        const key = `${name}/${filter}`;
        times.set(key, [...(times.get(key) ?? []), await measure(filter)]);
        await sleep(BETWEEN_ATTEMPTS_MS);
      }
    }
  }
  await bed.namespace.end();
  const rows = FILTERS.flatMap((filter) => {
    const reference = spreadOf(times.get(`${candidates[0]?.name}/${filter}`) ?? []).median;
    return candidates.map(({ name }) => {
      const found = spreadOf(times.get(`${name}/${filter}`) ?? []);
      return [filter || 'no filter', name, spread(found), figure(found.median / reference)];
    });
  });
  return {
    tables: [{ title: 'First byte', columns: ['filter', 'subject', 'ms', 'ratio to dumpcap'], rows }],
    data: Object.fromEntries(times),
  };
}

async function ofService(bed: TestBed, service: ServiceSubject, filter: string): Promise<number> {
  const streams = await service.open(bed, [bed.captured()], 1, filter);
  const [report] = await streams.report();
  streams.close();
  return report?.firstByteMs ?? NaN;
}

async function ofDumpcap(bed: TestBed, filter: string): Promise<number> {
  await using dumpcap = DumpcapStream.start(bed, [bed.captured()], filter);
  return await dumpcap.whenBegun();
}
