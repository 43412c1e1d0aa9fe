import { mobyshark } from '../fixtures/ghostwire-server.js';
import { CaptureClient } from '../kit/capture-client.js';
import { CLOSE_DISCOVERY_FAILED } from '../kit/close-codes.js';
import { eventually } from '../kit/eventually.js';
import { describeAsRoot } from '../kit/root.js';
import { askedForAllTests } from './directory.js';
import { Targets } from './targets.js';

const TIME_LIMIT_MS = 20_000;

describeAsRoot('When GhostWire does not come to an end with its answer', () => {
  const asked = askedForAllTests();

  it('captures by name are refused after 20 s, and a client that left was not waited for', async () => {
    const { ghostwire, service } = asked.current;
    await using targets = await Targets.create();
    ghostwire.answer = (_, response) => void response.write('{"containers":[');

    const impatient = await CaptureClient.open(service, { container: { name: 'web' } });
    await eventually('the question', () => ghostwire.requests.length === 1);
    impatient.abort();
    await eventually('the end of the question', async () => (await ghostwire.connections()) === 0);

    // Now and then a byte, so that there is never nothing for long.
    ghostwire.answer = (_, response) => {
      const drip = setInterval(() => response.write(' '), 500);
      response.once('close', () => clearInterval(drip));
    };
    const begin = performance.now();
    await using client = await CaptureClient.open(service, { container: { name: 'web' } });
    const { code, reason } = await client.ended(2 * TIME_LIMIT_MS);
    expect(code).toBe(CLOSE_DISCOVERY_FAILED);
    expect(reason).toMatch(/^GhostWire timed out after 20 s: 127\.0\.0\.1 port \d+$/);
    // Timers run ahead of other clocks by a millisecond.
    expect(performance.now() - begin).toBeGreaterThan(TIME_LIMIT_MS - 10);
    await eventually('the end of the question', async () => (await ghostwire.connections()) === 0);

    ghostwire.answer = mobyshark([{ name: 'web', ...targets.firstProcess }]);
    await using next = await CaptureClient.open(service, { container: { name: 'web' } });
    await next.described('first0');
  });
});
