import { mobyshark } from '../fixtures/ghostwire-server.js';
import { CaptureClient } from '../kit/capture-client.js';
import { CLOSE_DISCOVERY_FAILED } from '../kit/close-codes.js';
import { eventually } from '../kit/eventually.js';
import { describeAsRoot } from '../kit/root.js';
import { discoveryForAllTests } from './directory.js';
import { Targets } from './targets.js';

const TIME_LIMIT_MS = 20_000;

describeAsRoot('When the answer of GhostWire does not end,', () => {
  const discovery = discoveryForAllTests();

  it('captures by name are refused after 20 s, and the request is aborted when its only client leaves', async () => {
    const { ghostwire, service } = discovery.current;
    await using targets = await Targets.create();
    ghostwire.answer = (_, response) => void response.write('{"containers":[');

    const leaving = await CaptureClient.open(service, { container: { name: 'web' } });
    await eventually('the request to GhostWire', () => ghostwire.requests.length === 1);
    leaving.abort();
    await eventually(
      'the end of the request to GhostWire',
      async () => (await ghostwire.connections()) === 0,
    );

    // The server sends a byte now and then, so that the connection is never idle.
    ghostwire.answer = (_, response) => {
      const drip = setInterval(() => response.write(' '), 500);
      response.once('close', () => clearInterval(drip));
    };
    const begin = performance.now();
    await using client = await CaptureClient.open(service, { container: { name: 'web' } });
    const { code, reason } = await client.ended(2 * TIME_LIMIT_MS);
    expect(code).toBe(CLOSE_DISCOVERY_FAILED);
    expect(reason).toMatch(/^GhostWire timed out after 20 s: 127\.0\.0\.1 port \d+$/);
    // Timers can fire a millisecond early.
    expect(performance.now() - begin).toBeGreaterThan(TIME_LIMIT_MS - 10);
    await eventually(
      'the end of the request to GhostWire',
      async () => (await ghostwire.connections()) === 0,
    );

    ghostwire.answer = mobyshark([{ name: 'web', ...targets.firstProcess }]);
    await using next = await CaptureClient.open(service, { container: { name: 'web' } });
    await next.described('first0');
  });
});
