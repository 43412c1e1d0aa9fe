import { setTimeout as sleep } from 'node:timers/promises';
import { CaptureClient } from '../kit/capture-client.js';
import { CLOSE_ENDED } from '../kit/close-codes.js';
import { listTargets } from '../discovery/listed-targets.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { sendPackets } from '../kit/packets.js';
import { describeAsRoot } from '../kit/root.js';
import { serviceForAllTests } from '../kit/service.js';
import { inMountNamespace, inodeSaid, mountSilent, NAMESPACE_AT_MNT } from './attacks.js';

/** More than an engine has opener threads. */
const ATTEMPTS = 6;
/** Much less than a client would wait. */
const ANSWER_TIMEOUT_MS = 5_000;
const SCAN_TIMEOUT_MS = 5_000;

describeAsRoot('A file system that never answers', () => {
  const service = serviceForAllTests(['--local-discovery']);

  it('in front of the mount of a namespace hides that one only', async () => {
    await using attacker = await inMountNamespace([...NAMESPACE_AT_MNT, mountSilent('/mnt')]);
    const netns = await inodeSaid(attacker);
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      await using client = await CaptureClient.open(service.current, { netns });
      const { code, reason } = await client.ended(ANSWER_TIMEOUT_MS);
      expect(code).toBe(1011);
      expect(reason).toContain('/mnt/net');
    }
    await using namespace = await NetworkNamespace.create();
    await namespace.setUp('lo');
    await using client = await CaptureClient.open(service.current, { netns: namespace.inode });
    await client.described('lo');
  });

  it('that is mounted there later does not disturb the captures that run', async () => {
    await using attacker = await inMountNamespace(NAMESPACE_AT_MNT, mountSilent('/mnt'));
    const netns = await inodeSaid(attacker);
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    await using capture = await CaptureClient.open(service.current, { netns: namespace.inode, nif: 'eth1' });
    await capture.described('eth1');
    await using own = await CaptureClient.open(service.current, { netns });
    await own.described('lo');
    attacker.signal('SIGUSR1');
    await attacker.saying(/done/);
    // The holders are checked each second.
    for (let second = 1; second <= ATTEMPTS; second++) {
      await sendPackets(namespace, { interface: 'eth0', count: 10 });
      await capture.received(10 * second);
      await sleep(1_000);
    }
    expect(own.closing).toBeUndefined();
    await namespace.end();
    expect((await capture.ended(ANSWER_TIMEOUT_MS)).code).toBe(CLOSE_ENDED);
  }, 60_000);

  it('in place of the sockets of a runtime hides nothing of others', async () => {
    await using namespace = await NetworkNamespace.create();
    await using attacker = await inMountNamespace([mountSilent('/run'), 'printf dockerd >/proc/self/comm']);
    expect(attacker.alive).toBe(true);
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const begin = performance.now();
      expect(await listTargets(service.current)).toContainEqual(
        expect.objectContaining({ netns: namespace.inode }),
      );
      expect(performance.now() - begin).toBeLessThan(SCAN_TIMEOUT_MS);
    }
  }, 60_000);
});
