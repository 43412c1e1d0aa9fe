import { jest } from '@jest/globals';
import { describeAsRoot } from '../kit/root.js';
import { ChurnedService } from './churned-service.js';

const STAGES = 5;
const NAMESPACES_PER_STAGE = 200;
/** A leak of 32 KiB for each namespace shows in every stage; heaps that breathe do not. */
const MAX_GROWTH_KIB = NAMESPACES_PER_STAGE * 32;

describeAsRoot('Namespaces that come and go all the time', () => {
  jest.setTimeout(40 * 60_000);

  it(`${STAGES * NAMESPACES_PER_STAGE} times: no packet of a wrong one, and nothing leaks`, async () => {
    await using churned = await ChurnedService.start();
    await churned.warmUp();
    const before = await churned.resources();
    const rings = churned.rings;
    expect(rings).toBeGreaterThan(0);
    const growthsKiB: number[] = [];
    let now = before;
    for (let stage = 0; stage < STAGES; stage += 1) {
      const { residentKiB } = now;
      const report = await churned.churn.run(NAMESPACES_PER_STAGE);
      console.info(report);
      expect(report.strangePackets).toBe(0);
      expect(report.packets).toBeGreaterThan(report.namespaces / 2);
      now = await churned.resources();
      growthsKiB.push(now.residentKiB - residentKiB);
    }

    console.info(`growth of memory in each stage: ${growthsKiB.join(', ')} KiB`);
    expect(Math.min(...growthsKiB)).toBeLessThan(MAX_GROWTH_KIB);
    expect(now).toMatchObject({ processes: before.processes, threads: before.threads });
    expect(now.descriptors).toBeLessThanOrEqual(before.descriptors);
    expect(churned.heldNamespaces).toEqual([]);
    expect(churned.rings).toBe(rings);
    await churned.allRemoved();
    const { sent, missing, told, disorder } = await churned.bystander.leave();
    console.info(`of ${sent} packets of another capture ${missing} are missing`);
    // In so long a time the machine may have had no time for us for seconds.
    expect({ missing, disorder }).toEqual({ missing: told, disorder: 0 });
    expect(missing).toBeLessThan(sent / 1_000);
  });
});
