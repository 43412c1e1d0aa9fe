import { statSync } from 'node:fs';
import { CaptureClient } from '../kit/capture-client.js';
import { CLOSE_NOT_FOUND } from '../kit/close-codes.js';
import {
  namespaceOfDescriptor,
  namespaceOfPrivateMount,
  namespaceOfProcess,
  namespaceOfThread,
} from '../kit/namespace-holders.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { sendPackets } from '../kit/packets.js';
import { describeAsRoot } from '../kit/root.js';
import { serviceForAllTests } from '../kit/service.js';

describeAsRoot('A network namespace is found by its inode', () => {
  const service = serviceForAllTests();

  it.each([
    ['a process', namespaceOfProcess],
    ['one thread of a process', namespaceOfThread],
    ['a bind mount', () => NetworkNamespace.create()],
    ['a bind mount in another mount namespace', namespaceOfPrivateMount],
    ['a descriptor', namespaceOfDescriptor],
  ])('when only %s keeps it alive', async (_, make) => {
    await using namespace = await make();
    await namespace.addWire('eth0', 'eth1');
    await using client = await CaptureClient.open(service.current, { netns: namespace.inode, nif: 'eth1' });
    await client.described('eth1');

    await sendPackets(namespace, { interface: 'eth0', count: 100 });

    await client.received(100);
  });

  it('and not mistaken for another one with the same interfaces', async () => {
    await using right = await NetworkNamespace.create();
    await using wrong = await namespaceOfProcess();
    for (const namespace of [right, wrong]) {
      await namespace.addWire('eth0', 'eth1');
    }
    await using client = await CaptureClient.open(service.current, { netns: right.inode, nif: 'eth1' });
    await client.described('eth1');

    await sendPackets(wrong, { interface: 'eth0', count: 10, flow: 1 });
    await sendPackets(right, { interface: 'eth0', count: 10, flow: 2 });
    await client.received(10, 2);

    expect(client.sequences(1)).toEqual([]);
  });

  it.each([
    ['no namespace has this inode', () => 1],
    ['the inode is that of a mount namespace', () => statSync('/proc/self/ns/mnt').ino],
    ['the inode is that of an ordinary file', () => statSync('/etc/passwd').ino],
  ])('or refused with 4404: %s', async (_, inode) => {
    await using client = await CaptureClient.open(service.current, { netns: inode() });

    const { code, reason } = await client.ended();

    expect(code).toBe(CLOSE_NOT_FOUND);
    expect(reason).toContain(String(inode()));
  });

  it('or refused with 4404 when it has just ended', async () => {
    const namespace = await namespaceOfProcess();
    await namespace.end();
    await using client = await CaptureClient.open(service.current, { netns: namespace.inode });

    expect((await client.ended()).code).toBe(CLOSE_NOT_FOUND);
  });
});
