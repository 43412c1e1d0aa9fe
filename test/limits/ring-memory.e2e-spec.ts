import { CaptureClient } from '../kit/capture-client.js';
import { CLOSE_TOO_MANY_CAPTURES } from '../kit/close-codes.js';
import { eventually } from '../kit/eventually.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { sendPackets } from '../kit/packets.js';
import { describeAsRoot } from '../kit/root.js';
import { serviceForAllTests } from '../kit/service.js';

const CAPTURES = 5;
const WIRES = 24;

/** The memory suffices for the maximum number of captures and little more. */
describeAsRoot('The limit of ring memory', () => {
  const service = serviceForAllTests([
    '--max-captures',
    String(CAPTURES),
    '--ring-memory',
    String(2 * CAPTURES),
  ]);

  it('refuses a capture whose interfaces need more memory instead of omitting some of them', async () => {
    await using namespace = await NetworkNamespace.create();
    for (let wire = 0; wire < WIRES; wire++) await namespace.addWire(`a${wire}`, `b${wire}`);
    const headers = { 'Clustershark-Container': JSON.stringify({ netns: namespace.inode }) };
    await using refused = await CaptureClient.open(service.current, {}, { headers });
    const { code, reason } = await refused.ended();
    expect(code).toBe(CLOSE_TOO_MANY_CAPTURES);
    expect(reason).toBe('there is no ring memory left: --ring-memory of the service');
    expect(refused.packets.map(({ comments }) => comments)).toEqual([[reason]]);

    await using modest = await CaptureClient.open(service.current, { netns: namespace.inode, nif: 'b0/b1' });
    await modest.described('b0', 'b1');
    await sendPackets(namespace, { interface: 'a0', count: 10 });
    await modest.received(10);
  });

  it('suffices repeatedly for the maximum number of captures', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    for (let round = 0; round < 4; round++) {
      const clients = await eventually('all captures', async () => {
        const some = await Promise.all(
          Array.from({ length: CAPTURES }, () =>
            CaptureClient.open(service.current, { netns: namespace.inode, nif: 'eth1' }),
          ),
        );
        try {
          await Promise.all(some.map((client) => client.described('eth1')));
          return some;
        } catch (error) {
          for (const client of some) client.abort();
          throw error;
        }
      });
      await sendPackets(namespace, { interface: 'eth0', count: 10, flow: round });
      await Promise.all(clients.map((client) => client.received(10, round)));
      await Promise.all(clients.map((client) => client.close()));
    }
  });
});
