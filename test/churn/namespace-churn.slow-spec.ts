import { jest } from '@jest/globals';
import { describeAsRoot } from '../kit/root.js';
import { ChurnedService } from './churned-service.js';

const STAGES = 5;
const NAMESPACES_PER_STAGE = 200;
/** A leak of 32 KiB per namespace shows after the first stage, in which heaps grow; fluctuations of the heaps do not. */
const MAX_GROWTH_KIB = (STAGES - 1) * NAMESPACES_PER_STAGE * 32;

describeAsRoot('Captures from namespaces that come and go for a long time', () => {
  jest.setTimeout(40 * 60_000);

  it(`get no packets of other namespaces and leak nothing, ${STAGES * NAMESPACES_PER_STAGE} times`, async () => {
    await using churned = await ChurnedService.start();
    await churned.warmUp();
    const before = await churned.resources();
    const rings = churned.rings;
    expect(rings).toBeGreaterThan(0);
    const memoryKiB: number[] = [];
    let now = before;
    for (let stage = 0; stage < STAGES; stage += 1) {
      const report = await churned.churn.run(NAMESPACES_PER_STAGE);
      console.info(report);
      expect(report.foreignPackets).toBe(0);
      expect(report.packets).toBeGreaterThan(report.namespaces / 2);
      now = await churned.resources();
      memoryKiB.push(now.residentKiB);
    }

    console.info(`memory after each stage: ${memoryKiB.join(', ')} KiB`);
    expect((memoryKiB.at(-1) ?? 0) - (memoryKiB[0] ?? 0)).toBeLessThan(MAX_GROWTH_KIB);
    expect(now.processes).toBeLessThanOrEqual(before.processes);
    expect(now.threads).toBeLessThanOrEqual(before.threads);
    expect(now.descriptors).toBeLessThanOrEqual(before.descriptors);
    expect(churned.heldNamespaces).toEqual([]);
    expect(churned.rings).toBe(rings);
    await churned.allRemoved();
    const { sent, missing, reported, disorder } = await churned.bystander.leave();
    console.info(`the bystander lost ${missing} of ${sent} packets`);
    // In such a long test, the machine may be too busy for seconds to run the service.
    expect({ missing, disorder }).toEqual({ missing: reported, disorder: 0 });
    expect(missing).toBeLessThan(sent / 1_000);
  });
});
