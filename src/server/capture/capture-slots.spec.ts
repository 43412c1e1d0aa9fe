import { CaptureConfig } from '../config/capture.config.js';
import { CaptureSlots } from './capture-slots.js';

const TOO_MANY = 'too-many-captures';

function slotsOf(limits: { maxCaptures: number; maxCapturesPerClient?: number }): CaptureSlots {
  return new CaptureSlots(Object.assign(new CaptureConfig(), limits));
}

describe('CaptureSlots', () => {
  it('limits all captures and names the limit that is reached', () => {
    const slots = slotsOf({ maxCaptures: 2 });
    slots.take('192.0.2.1');
    slots.take('192.0.2.1');
    expect(() => slots.take('192.0.2.2')).toThrow(
      expect.objectContaining({
        code: TOO_MANY,
        message: 'the limit of 2 captures is reached: --max-captures of the service',
      }) as Error,
    );
  });

  it('limits the captures of each client, however its address is written', () => {
    const slots = slotsOf({ maxCaptures: 256, maxCapturesPerClient: 1 });
    slots.take('192.0.2.1');
    slots.take('192.0.2.2');
    slots.take('2001:db8::1');
    for (const address of ['::ffff:192.0.2.1', '192.0.2.2', '2001:db8::abcd']) {
      expect(() => slots.take(address)).toThrow(expect.objectContaining({ code: TOO_MANY }) as Error);
    }
    expect(() => slots.take('192.0.2.1')).toThrow(
      'the limit of 1 capture of 192.0.2.1 is reached: --max-captures-per-client of the service',
    );
  });

  it('counts a slot that is released twice only once', () => {
    const slots = slotsOf({ maxCaptures: 3, maxCapturesPerClient: 2 });
    for (let round = 0; round < 5; round++) {
      const taken = [slots.take('192.0.2.1'), slots.take('192.0.2.1'), slots.take('192.0.2.2')];
      expect(() => slots.take('192.0.2.3')).toThrow();
      for (const slot of [...taken, ...taken]) slot.release();
    }
  });
});
