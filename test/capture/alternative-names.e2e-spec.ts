import { CaptureClient } from '../kit/capture-client.js';
import { listTargets } from '../discovery/listed-targets.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { sendPackets } from '../kit/packets.js';
import { describeAsRoot } from '../kit/root.js';
import { serviceForAllTests } from '../kit/service.js';

/** The kernel's limit is 64 KiB for all of them. */
const MANY = 480;

describeAsRoot('An interface with alternative names', () => {
  const service = serviceForAllTests(['--local-discovery']);

  // The kernel lists lo first, so that its messages have the least room.
  it.each([
    ['lo', 30],
    ['lo', MANY],
    ['eth0', MANY],
  ])('%s with %d of them is listed, and captured with all others', async (device, count) => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    await namespace.setUp('lo');
    await namespace.addAlternativeNames(device, count);

    const [target] = (await listTargets(service.current)).filter(({ netns }) => netns === namespace.inode);
    expect(target?.['network-interfaces']).toEqual(expect.arrayContaining(['lo', 'eth0', 'eth1']));
    await using client = await CaptureClient.open(service.current, {
      container: { netns: namespace.inode, 'network-interfaces': ['any'] },
    });
    for (const name of ['lo', 'eth0', 'eth1']) await client.described(name);
    await sendPackets(namespace, { interface: 'eth0', count: 10, flow: 1 });
    await client.received(20, 1);
  });
});
