import { PACKET_METHODS } from '../../src/shared/protocol/protocol.js';
import { CaptureClient } from '../kit/capture-client.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { PacketSender } from '../kit/packets.js';
import type { Packet } from '../kit/pcapng.js';
import { describeAsRoot } from '../kit/root.js';
import { readWithWireshark, Recording } from '../kit/second-opinion.js';
import { serviceForAllTests } from '../kit/service.js';

const COUNT = 6_000;
/**
 * Sent at once, before the next are sent: even if the machine stalls, a ring of 16 MiB holds these 2.3 MB, and the kernel holds
 * them on their way to the ring (net.core.netdev_max_backlog is 1,000 packets). A slower sender would be worse: the kernel
 * hands over a block of the ring every 4 ms, however little it contains.
 */
const BATCH = 500;
const SMALLEST_BYTES = 60;
const LARGEST_BYTES = 9_000;
/** Sizes over the whole range, by a step that is coprime to the number of sizes. */
const SIZES = Array.from(
  { length: COUNT },
  (_, index) => SMALLEST_BYTES + ((index * 1_231) % (LARGEST_BYTES - SMALLEST_BYTES + 1)),
);
const MAX_TIMESTAMP_DIFFERENCE_NS = 1_000_000n;

describe.each(PACKET_METHODS)('With --packet-method %s', (method) => {
  packetsOfAStream(['--packet-method', method]);
});

function packetsOfAStream(options: readonly string[]): void {
  describeAsRoot('the packets of a stream', () => {
    const service = serviceForAllTests(options);

    it.each([
      ['received packets, whose VLAN tags the kernel strips', 'eth1'],
      ['sent packets, which contain their VLAN tags', 'eth0'],
    ])('equal those that dumpcap records at the same time, byte for byte: %s', async (_, captured) => {
      await using namespace = await NetworkNamespace.create();
      await namespace.addWire('eth0', 'eth1');
      await using recording = await Recording.start(namespace, captured, COUNT);
      await using client = await CaptureClient.open(service.current, {
        netns: namespace.inode,
        nif: captured,
      });
      await client.described(captured);

      await using sender = await PacketSender.start(namespace, {
        interface: 'eth0',
        count: COUNT,
        sizes: SIZES,
        vlans: [0, 7, 4094],
        batch: BATCH,
      });
      for (let sent = BATCH; sent < COUNT; sent += BATCH) {
        await client.received(sent);
        sender.sendBatch();
      }
      await client.received(COUNT);

      const expected = await recording.packets();
      expect(client.packets.length).toBe(expected.length);
      expect(differences(client.packets, expected)).toEqual([]);
      expect(outOfOrder(client.packets)).toEqual([]);
      expect(await readWithWireshark(client.stream)).toEqual({ packets: COUNT, interfaces: 1 });
    });
  });
}

/** Describes the first packets that differ. */
function differences(actual: readonly Packet[], expected: readonly Packet[]): string[] {
  return expected
    .flatMap((packet, index) => {
      const other = actual[index];
      if (!other?.data.equals(packet.data) || other.originalLength !== packet.originalLength) {
        return [`packet ${index}: ${hexHead(other?.data)} instead of ${hexHead(packet.data)}`];
      }
      const apart = other.timestamp - packet.timestamp;
      return apart > MAX_TIMESTAMP_DIFFERENCE_NS || apart < -MAX_TIMESTAMP_DIFFERENCE_NS
        ? [`packet ${index}: timestamps are ${apart} ns apart`]
        : [];
    })
    .slice(0, 10);
}

function outOfOrder(packets: readonly Packet[]): number[] {
  return packets.flatMap((packet, index) => {
    const previous = packets[index - 1];
    return previous && previous.timestamp > packet.timestamp ? [index] : [];
  });
}

function hexHead(data: Buffer | undefined): string {
  return data ? `${data.subarray(0, 64).toString('hex')} (${data.length} bytes)` : 'nothing';
}
