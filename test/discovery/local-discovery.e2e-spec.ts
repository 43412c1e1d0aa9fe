import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { CaptureClient } from '../kit/capture-client.js';
import { eventually } from '../kit/eventually.js';
import { namespaceOfPrivateMount, namespaceOfProcess } from '../kit/namespace-holders.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { sendPackets } from '../kit/packets.js';
import { describeAsRoot } from '../kit/root.js';
import { run } from '../kit/run.js';
import { serviceForAllTests } from '../kit/service.js';
import { listTargets } from './listed-targets.js';

describeAsRoot('With --local-discovery', () => {
  const service = serviceForAllTests(['--local-discovery']);
  const targetsOf = async (netns: number) =>
    (await listTargets(service.current)).filter((target) => target.netns === netns);

  it('a process with a separate network namespace is listed with the interfaces that are up', async () => {
    await using namespace = await namespaceOfProcess();
    await namespace.addWire('eth0', 'eth1');
    await namespace.addWire('down0', 'down1', { up: false });

    expect(await targetsOf(namespace.inode)).toEqual([
      {
        name: `sleep(${namespace.pid})`,
        type: 'proc',
        netns: namespace.inode,
        'network-interfaces': ['eth1', 'eth0'],
        pid: namespace.pid,
        starttime: Number(readFileSync(`/proc/${namespace.pid}/stat`, 'latin1').split(' ')[21]),
        prefix: '',
      },
    ]);
  });

  it('every topmost process of a namespace is listed, and no other', async () => {
    await using namespace = await NetworkNamespace.create();
    const withChild = 'setpriv --pdeathsig KILL sleep 1000 >/dev/null 2>&1 & wait';
    await using older = await namespace.start('sh', '-c', withChild);
    await using younger = await namespace.start('sleep', '1000');

    const names = await eventually('both processes', async () => {
      const targets = await targetsOf(namespace.inode);
      const listed = targets.map(({ name }) => name);
      // For a moment, a process has the name of the program that starts it.
      return targets.length > 1 && !listed.some((name) => name.startsWith('nsenter(')) && listed;
    });
    expect(names).toEqual([`sh(${older.pid})`, `sleep(${younger.pid})`]);
  });

  it.each([
    ['a bind mount', () => NetworkNamespace.create()],
    ['a bind mount in another mount namespace', namespaceOfPrivateMount],
  ])('a namespace that only %s keeps alive is listed by its path, without a process', async (_, make) => {
    await using namespace = await make();
    await namespace.addWire('eth0', 'eth1');

    expect(await targetsOf(namespace.inode)).toEqual([
      {
        name: namespace.path.replace(/^\/proc\/\d+\/root/, ''),
        type: 'bindmount',
        netns: namespace.inode,
        'network-interfaces': ['eth1', 'eth0'],
        pid: 0,
        starttime: 0,
        prefix: '',
      },
    ]);
  });

  it('neither kernel threads nor the empty namespaces of the filter compilers are listed', async () => {
    // This capture makes the service start filter compilers.
    await using namespace = await namespaceOfProcess();
    await using client = await CaptureClient.open(service.current, { netns: namespace.inode, filter: 'udp' });
    await client.until('the section header block', () => client.comments.length > 0);

    const own = service.current.processes().map(({ pid }) => pid);
    const targets = await listTargets(service.current);
    expect(targets.filter(({ pid, netns }) => own.includes(pid) && netns !== namespace.inode)).toEqual([]);
    expect(targets.filter(({ name }) => /kthread|kworker/.test(name))).toEqual([]);
  });

  it.each([
    ['a process', namespaceOfProcess],
    ['a bind mount', () => NetworkNamespace.create()],
    ['a private bind mount', namespaceOfPrivateMount],
  ])('a capture of %s can be started with the listed attributes, or by name', async (_, make) => {
    await using namespace = await make();
    await namespace.addWire('eth0', 'eth1');
    const [target] = await targetsOf(namespace.inode);
    const byName = { name: target?.name, prefix: target?.prefix, 'network-interfaces': ['eth1'] };

    for (const [flow, container] of [{ ...target, 'network-interfaces': ['eth1'] }, byName].entries()) {
      await using client = await CaptureClient.open(service.current, { container });
      await client.described('eth1');
      await sendPackets(namespace, { interface: 'eth0', count: 10, flow });
      await client.received(10, flow);
    }
  });

  it('a namespace that is mounted at several paths is found by each of them, and by its number', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    const other = `${namespace.path}-too`;
    writeFileSync(other, '');
    await run('mount', '--bind', namespace.path, other);
    try {
      const names = [
        namespace.path,
        other,
        `${namespace.path}:${other}`,
        `/proc/1/ns/mnt:${other}`,
        '/proc/17387/ns/mnt:/hostrun/netns/b',
      ];
      for (const [flow, name] of names.entries()) {
        const container = { name, netns: namespace.inode, type: 'proc', 'network-interfaces': ['eth1'] };
        await using client = await CaptureClient.open(service.current, {
          container: flow < 4 ? { ...container, netns: 0 } : container,
        });
        await client.described('eth1');
        await sendPackets(namespace, { interface: 'eth0', count: 10, flow });
        await client.received(10, flow);
      }
    } finally {
      await run('umount', other);
      rmSync(other);
    }
  });

  it('each of many concurrent requests gets the list', async () => {
    await using namespace = await namespaceOfProcess();
    const lists = await Promise.all(Array.from({ length: 30 }, () => targetsOf(namespace.inode)));
    for (const list of lists) expect(list).toHaveLength(1);
  });

  it('the list is available again after the discoverer has been killed', async () => {
    await using namespace = await namespaceOfProcess();
    await targetsOf(namespace.inode); // starts it
    process.kill(service.current.inRole('discoverer').pid, 'SIGKILL');

    await eventually('the list', async () => (await targetsOf(namespace.inode)).length === 1);
  });

  it('only /discover/mobyshark is served, and only for GET and HEAD', async () => {
    const status = async (path: string, method: string) =>
      (await fetch(service.current.url(path), { method })).status;
    expect(await status('/discover/mobyshark', 'HEAD')).toBe(200);
    expect(await status('/discover/mobyshark', 'POST')).toBe(404);
    expect(await status('/discover/json', 'GET')).toBe(404);
    expect(await status('/mobyshark', 'GET')).toBe(404);
  });
});
