import { describeAsRoot } from '../kit/root.js';
import { Service } from '../kit/service.js';
import { restart } from './restarts.js';

const RESTARTS = 30;

describeAsRoot('A set whose members restart', () => {
  it(`has each life, no packet of another one, and leaves nothing behind, ${RESTARTS} times`, async () => {
    await using service = await Service.start();
    const { descriptorsBefore, descriptorsAfter, lives, foreign } = await restart(service, RESTARTS);
    expect({ lives, foreign }).toEqual({ lives: RESTARTS + 1, foreign: 0 });
    expect(descriptorsAfter).toBeLessThanOrEqual(descriptorsBefore);
  }, 120_000);
});
