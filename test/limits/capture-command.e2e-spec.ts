import { readFileSync } from 'node:fs';
import { Child } from '../kit/child.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { PacketSender } from '../kit/packets.js';
import { packetsOf, readPcapng } from '../kit/pcapng.js';
import { describeAsRoot } from '../kit/root.js';
import { TemporaryFile } from '../kit/second-opinion.js';
import { CAPTURE_COMMAND, serviceForAllTests } from '../kit/service.js';

describeAsRoot('The command "npm run capture"', () => {
  const service = serviceForAllTests();

  it('ends at the first limit with a valid file, status 0 and the reason', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    using file = new TemporaryFile('packets.pcapng');
    const limits = ['--duration', '60', '--max-bytes', '1000000', '--max-packets', '20', '--snaplen', '64'];
    const request = ['--url', service.current.url('/capture', 'ws'), '--netns', String(namespace.inode)];
    await using client = await Child.start(process.execPath, [
      CAPTURE_COMMAND,
      ...request,
      ...['--nif', 'eth1', '-w', file.path],
      ...limits,
    ]);
    await using sender = await PacketSender.start(namespace, { interface: 'eth0', ratePerSecond: 100 });

    expect(await client.ended).toBe(0);
    await sender.stop();
    expect(client.stderr).toBe(
      'the service ended the capture (1000): the limit of 20 packets was reached: max-packets of the request\n',
    );
    const packets = packetsOf(readPcapng(readFileSync(file.path)));
    expect(packets.map(({ data }) => data.length)).toEqual(Array.from({ length: 20 }, () => 64));
  });
});
