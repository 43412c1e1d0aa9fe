import { describeAsRoot } from '../kit/root.js';
import { ChurnedService } from './churned-service.js';

const NAMESPACES = 50;

describeAsRoot('Captures from namespaces that come and go', () => {
  it(`get no packets of other namespaces and leak nothing, ${NAMESPACES} times`, async () => {
    await using churned = await ChurnedService.start();
    await churned.warmUp();
    const before = await churned.resources();
    const rings = churned.rings;
    expect(rings).toBeGreaterThan(0);

    const report = await churned.churn.run(NAMESPACES);

    console.info(report);
    expect(report.foreignPackets).toBe(0);
    expect(report.packets).toBeGreaterThan(NAMESPACES / 2);
    const after = await churned.resources();
    expect(after.processes).toBeLessThanOrEqual(before.processes);
    expect(after.threads).toBeLessThanOrEqual(before.threads);
    expect(after.descriptors).toBeLessThanOrEqual(before.descriptors);
    expect(churned.heldNamespaces).toEqual([]);
    expect(churned.rings).toBe(rings);
    await churned.allRemoved();
    expect(await churned.bystander.leave()).toMatchObject({ missing: 0, disorder: 0 });
  }, 300_000);
});
