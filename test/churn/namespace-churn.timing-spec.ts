import { describeAsRoot } from '../kit/root.js';
import { ChurnedService } from './churned-service.js';

const NAMESPACES = 50;

describeAsRoot('Namespaces that come and go', () => {
  it(`${NAMESPACES} times: no packet of a wrong one, and nothing leaks`, async () => {
    await using churned = await ChurnedService.start();
    await churned.warmUp();
    const before = await churned.resources();
    const rings = churned.rings;
    expect(rings).toBeGreaterThan(0);

    const report = await churned.churn.run(NAMESPACES);

    console.info(report);
    expect(report.strangePackets).toBe(0);
    expect(report.packets).toBeGreaterThan(NAMESPACES / 2);
    const after = await churned.resources();
    expect(after).toMatchObject({ processes: before.processes, threads: before.threads });
    expect(after.descriptors).toBeLessThanOrEqual(before.descriptors);
    expect(churned.heldNamespaces).toEqual([]);
    expect(churned.rings).toBe(rings);
    await churned.allRemoved();
    expect(await churned.bystander.leave()).toMatchObject({ missing: 0, disorder: 0 });
  }, 300_000);
});
