import { describeAsRoot } from '../kit/root.js';
import { Service } from '../kit/service.js';
import { restart } from './restarts.js';

const STAGES = 4;
const RESTARTS_PER_STAGE = 250;
/** A leak of 32 KiB per life shows after the first stage, in which heaps grow. */
const MAX_GROWTH_KIB = (STAGES - 1) * RESTARTS_PER_STAGE * 32;

describeAsRoot('A set whose members restart for a long time', () => {
  it(
    `has each life, no packet of another one, and leaves nothing behind, ${STAGES * RESTARTS_PER_STAGE} times`,
    async () => {
      await using service = await Service.start();
      const memoryKiB: number[] = [];
      for (let stage = 0; stage < STAGES; stage++) {
        const report = await restart(service, RESTARTS_PER_STAGE);
        const { descriptorsBefore, descriptorsAfter, lives, foreign } = report;
        expect({ lives, foreign }).toEqual({ lives: RESTARTS_PER_STAGE + 1, foreign: 0 });
        expect(descriptorsAfter).toBeLessThanOrEqual(descriptorsBefore);
        memoryKiB.push(report.residentKiB);
      }
      console.info(`memory after each stage: ${memoryKiB.join(', ')} KiB`);
      expect((memoryKiB.at(-1) ?? 0) - (memoryKiB[0] ?? 0)).toBeLessThan(MAX_GROWTH_KIB);
    },
    30 * 60_000,
  );
});
