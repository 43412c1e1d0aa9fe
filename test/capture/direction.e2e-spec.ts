import { CaptureClient } from '../kit/capture-client.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { sendPackets } from '../kit/packets.js';
import { describeAsRoot } from '../kit/root.js';
import { serviceForAllTests } from '../kit/service.js';

const DIRECTION = 0b11;
const INBOUND = 1;
const OUTBOUND = 2;

describeAsRoot('The direction of packets', () => {
  const service = serviceForAllTests();

  it('is told when it is asked for, also of truncated packets, and not otherwise', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('left', 'right');
    const netns = namespace.inode;
    await using client = await CaptureClient.open(service.current, { netns, direction: true, snaplen: 61 });
    await using other = await CaptureClient.open(service.current, { netns });
    await client.described('left', 'right');
    await other.described('left', 'right');
    await sendPackets(namespace, { interface: 'left', count: 100, sizes: [60, 61, 62, 1_500] });
    await client.received(200);
    await other.received(200);

    for (const [name, direction] of [['left', OUTBOUND] as const, ['right', INBOUND] as const]) {
      const packets = client.tagged().filter((packet) => packet.interface.name === name);
      expect(packets).toHaveLength(100);
      expect(new Set(packets.map(({ flags = 0 }) => flags & DIRECTION))).toEqual(new Set([direction]));
      expect(Math.max(...packets.map(({ data }) => data.length))).toBe(61);
    }
    expect(other.packets.filter(({ flags }) => flags !== undefined)).toEqual([]);
  });
});
