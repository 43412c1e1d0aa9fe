import { setTimeout as sleep } from 'node:timers/promises';
import { Bystander } from '../kit/bystander.js';
import { CaptureClient } from '../kit/capture-client.js';
import { proportionalMemoryMib } from '../kit/processes.js';
import { describeAsRoot } from '../kit/root.js';
import { Service } from '../kit/service.js';
import {
  crowdedNamespace,
  endlessFilters,
  falseClaims,
  longCommandLine,
  lookups,
  openAndAbort,
  pings,
  rebinding,
  renameInterfaces,
  searches,
  silentRuntime,
  slowHeaders,
  type Attack,
} from './attacks.js';

const MINUTES = Number(process.env['PACKETFLIX_ATTACK_MINUTES'] ?? 10);
const STEADY_CAPTURES = 8;
const MAX_OPENING_MS = 1_000;
const OPENING_INTERVAL_MS = 2_000;
/** In the first part, caches and heaps grow. */
const WARM_UP = 0.3;
const MAX_GROWTH = 1.15;
/** More captures than the attackers get, each of whom may have this many. */
const LIMITS = ['--max-captures-per-client', '64', '--local-discovery'];

describeAsRoot('While all known attacks go on at the same time', () => {
  it(
    `steady captures lose nothing, others open, memory is flat, for ${MINUTES} minutes`,
    async () => {
      await using service = await Service.start(LIMITS);
      const steady: Bystander[] = [];
      await using made = new AsyncDisposableStack();
      for (let number = 1; number <= STEADY_CAPTURES; number++) {
        steady.push(made.use(await Bystander.join(service)));
      }
      const netns = steady[0]?.netns ?? 0;
      const crowded = made.use(await crowdedNamespace());
      const renamed = made.use(await crowdedNamespace());
      const renaming: Attack = async (_, signal) => {
        const victim = { netns: renamed.inode };
        await using client = await CaptureClient.open(service, victim, { countOnly: true });
        await client.described('lo');
        await renameInterfaces(renamed)(service, signal);
      };
      const attacks: Readonly<Record<string, Attack>> = {
        'a long command line': longCommandLine,
        'false claims': falseClaims,
        'a silent runtime': silentRuntime,
        'look-ups': lookups,
        'captures that are aborted': openAndAbort(crowded),
        'interfaces that are renamed': renaming,
        'endless filters': endlessFilters(netns, 60),
        pings: pings(netns),
        searches,
        rebinding,
        'slow headers': slowHeaders,
      };
      const end = new AbortController();
      const failures: string[] = [];
      const running = Object.entries(attacks).map(([name, attack]) =>
        attack(service, end.signal).catch((error: unknown) => failures.push(`${name}: ${String(error)}`)),
      );

      const openings: number[] = [];
      const memory: number[] = [];
      const from = { localAddress: '127.0.0.3' };
      for (const until = performance.now() + MINUTES * 60_000; performance.now() < until;) {
        const begin = performance.now();
        await using client = await CaptureClient.open(service, { netns, nif: 'eth1', filter: 'udp' }, from);
        await client.until('the interface', () => client.interfaces.length > 0, 60_000);
        openings.push(performance.now() - begin);
        memory.push(proportionalMemoryMib(service.processes()));
        await sleep(OPENING_INTERVAL_MS);
      }
      end.abort();
      await Promise.all(running);

      const sorted = openings.toSorted((a, b) => a - b);
      const lost = [];
      for (const each of steady) lost.push(await each.leave());
      const sent = lost.reduce((sum, each) => sum + each.sent, 0);
      const warm = memory.slice(Math.floor(memory.length * WARM_UP));
      const halves = [warm.slice(0, warm.length >> 1), warm.slice(warm.length >> 1)].map(median);
      console.info(
        `${openings.length} captures opened, median ${median(openings).toFixed(0)} ms, slowest ${sorted.at(-1)?.toFixed(0)} ms; ` +
          `${sent} packets of steady captures; memory ${halves.map((each) => each.toFixed(0)).join(', then ')} MiB, ` +
          `at most ${Math.max(...memory).toFixed(0)}; log ${service.log.length >> 10} KiB`,
      );
      expect(failures).toEqual([]);
      expect(lost.filter(({ missing, disorder }) => missing + disorder > 0)).toEqual([]);
      expect(sorted.at(-1)).toBeLessThan(MAX_OPENING_MS);
      expect((halves[1] ?? 0) / (halves[0] ?? 0)).toBeLessThan(MAX_GROWTH);
      expect(service.log).not.toMatch(/was ended by|does not answer/);
    },
    (MINUTES + 5) * 60_000,
  );
});

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
}
