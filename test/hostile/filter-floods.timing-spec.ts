import { setTimeout as sleep } from 'node:timers/promises';
import { Bystander } from '../kit/bystander.js';
import { CaptureClient } from '../kit/capture-client.js';
import { proportionalMemoryMib } from '../kit/processes.js';
import { describeAsRoot } from '../kit/root.js';
import { Service } from '../kit/service.js';
import { endlessFilters } from './attacks.js';

const CONNECTIONS = 230;
/** In which some of them get their turn. */
const BEFORE_MS = 5_000;
const FILTERS_OF_OTHERS = 10;
const MAX_OPENING_MS = 1_000;
/** The memory limit of the shipped manifests is 1 GiB. */
const MAX_MEMORY_MIB = 700;

describeAsRoot(
  `While ${CONNECTIONS} connections of one client send filters that take hours to compile`,
  () => {
    it(`a filter of another client begins to capture within ${MAX_OPENING_MS / 1000} s`, async () => {
      await using service = await Service.start();
      await using bystander = await Bystander.join(service);
      const { netns } = bystander;
      const end = new AbortController();
      const attack = endlessFilters(netns, CONNECTIONS)(service, end.signal);
      let slowestMs = 0;
      let memoryMib = 0;
      try {
        await sleep(BEFORE_MS);
        for (let number = 1; number <= FILTERS_OF_OTHERS; number++) {
          const begin = performance.now();
          await using client = await CaptureClient.open(
            service,
            { netns, nif: 'eth1', filter: `udp port ${number}` },
            { localAddress: '127.0.0.3' },
          );
          await client.described('eth1');
          slowestMs = Math.max(slowestMs, performance.now() - begin);
          memoryMib = Math.max(memoryMib, proportionalMemoryMib(service.processes()));
          await sleep(1_000);
        }
      } finally {
        end.abort();
        await attack;
      }

      const refused = service.log.match(/takes more than/g)?.length ?? 0;
      console.info(
        `slowest filter ${slowestMs.toFixed(0)} ms, memory ${memoryMib.toFixed(0)} MiB, ${refused} refused`,
      );
      expect(refused).toBeGreaterThan(0);
      expect(slowestMs).toBeLessThan(MAX_OPENING_MS);
      expect(memoryMib).toBeLessThan(MAX_MEMORY_MIB);
      expect(await bystander.leave()).toMatchObject({ missing: 0, disorder: 0 });
    }, 180_000);
  },
);
