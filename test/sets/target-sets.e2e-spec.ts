import { setTimeout as sleep } from 'node:timers/promises';
import { CaptureClient } from '../kit/capture-client.js';
import { CLOSE_INVALID_REQUEST, CLOSE_NOT_FOUND } from '../kit/close-codes.js';
import { eventually } from '../kit/eventually.js';
import { sendPackets } from '../kit/packets.js';
import { describeAsRoot } from '../kit/root.js';
import { serviceForAllTests } from '../kit/service.js';
import { commentsOf, NamedProcess } from './set-members.js';

/** The contract: what starts joins within 2 s. The rest is for a busy machine. */
const JOIN_MS = 5_000;

describeAsRoot('A capture of a set of targets', () => {
  const service = serviceForAllTests();

  /** Members are processes whose names begin with that. */
  function open(name: string, parameters: object = {}): Promise<CaptureClient> {
    const targets = JSON.stringify([{ type: 'proc', name: `${name}-*` }]);
    return CaptureClient.open(service.current, { targets, ...parameters });
  }

  it('has the interfaces of all members, with their names, in one stream', async () => {
    await using one = await NamedProcess.start('both-a');
    await using other = await NamedProcess.start('both-b');
    await using client = await open('both');
    await client.described(one.nameOf('eth1'), other.nameOf('eth1'));
    await sendPackets(one.namespace, { interface: 'eth0', count: 100, flow: 1 });
    await sendPackets(other.namespace, { interface: 'eth0', count: 100, flow: 2 });
    await client.received(200, 1);
    await client.received(200, 2);

    for (const [flow, member] of [one, other].entries()) {
      const names = new Set(client.tagged(flow + 1).map((packet) => packet.interface.name));
      expect(names).toEqual(new Set([member.nameOf('eth0'), member.nameOf('eth1')]));
    }
    expect(client.kinds.filter((kind) => kind === 'section')).toHaveLength(1);
    const { description } = client.interfaces.find(({ name }) => name === one.nameOf('eth1')) ?? {};
    expect(description).toContain(`proc ${one.title}`);
    expect(description).toContain(`network namespace ${one.namespace.inode}, process ${one.pid}`);
    expect(client.comments[0]).toContain('container-name: both-* type=proc\ncontainer-type: set\n');
  });

  it('waits while it is empty, is joined by what starts, and left by what ends', async () => {
    await using client = await open('later');
    await client.until('the section', () => client.kinds.length > 0);
    const member = await NamedProcess.start('later-a');
    try {
      await client.until(
        'the first member',
        () => client.interfaceNames.includes(member.nameOf('eth1')),
        JOIN_MS,
      );
      await sendPackets(member.namespace, { interface: 'eth0', count: 10, flow: 3 });
      await client.received(20, 3);
    } finally {
      await member[Symbol.asyncDispose]();
    }
    await client.until('the comment of its end', () =>
      commentsOf(client).some((text) => /later-a.*: left/.test(text)),
    );
    expect(commentsOf(client)[0]).toMatch(/^proc later-a.*: joined$/);
    const logged = (pattern: RegExp) => () => pattern.test(service.current.log);
    await eventually('the join in the log', logged(/"target joined".*"target":"proc later-a/));
    const left = /"target left".*"target":"proc later-a.*"reason":"the target has ended/;
    await eventually('the end in the log', logged(left));

    await using next = await NamedProcess.start('later-b');
    await client.until('the next member', () => client.interfaceNames.includes(next.nameOf('eth1')), JOIN_MS);
    expect(client.closing).toBeUndefined();
  });

  it('captures once from two members that share a network namespace', async () => {
    await using one = await NamedProcess.start('shared-a');
    await using other = await NamedProcess.start('shared-b', one.namespace);
    await using client = await open('shared');
    await client.described(one.nameOf('eth1'));
    await sendPackets(one.namespace, { interface: 'eth0', count: 10, flow: 4 });
    await client.received(20, 4);
    await sleep(500);
    expect(client.tagged(4)).toHaveLength(20);
    expect(client.interfaceNames.filter((name) => name?.startsWith(other.title))).toEqual([]);
  });

  it('goes on with the remaining members when one ends, with filter and limits over the whole', async () => {
    await using one = await NamedProcess.start('limit-a');
    const other = await NamedProcess.start('limit-b');
    await using client = await open('limit', { filter: 'udp', 'max-packets': 30 });
    await client.described(one.nameOf('eth1'), other.nameOf('eth1'));
    await sendPackets(other.namespace, { interface: 'eth0', count: 5, flow: 5 });
    await client.received(10, 5);
    await other[Symbol.asyncDispose]();
    await sendPackets(one.namespace, { interface: 'eth0', count: 100, flow: 6 });
    expect(await client.ended()).toMatchObject({
      code: 1000,
      reason: expect.stringMatching(/limit of 30 packets/) as string,
    });
    expect(client.packets).toHaveLength(30);
  });

  it.each([
    ['no JSON', '[{', 'targets is not valid JSON'],
    ['no array', '{}', 'targets must be an array of selectors'],
    ['no selectors', '[]', 'targets must have at least one selector'],
    ['too many selectors', JSON.stringify(Array(65).fill({})), 'targets must have at most 64 selectors'],
    ['a wrong type of labels', '[{},{"labels":["a"]}]', 'targets[1].labels must be an object of strings'],
    [
      'an attribute that does not exist',
      '[{"label":{}}]',
      'targets[0] must have no attributes but name, type',
    ],
  ])('is refused for %s', async (_, targets, reason) => {
    await using client = await CaptureClient.open(service.current, { targets });
    const closing = await client.ended();
    expect(closing).toMatchObject({ code: CLOSE_INVALID_REQUEST });
    expect(closing.reason).toContain(reason);
  });

  it('of one target that is followed is refused like a capture of it', async () => {
    await using member = await NamedProcess.start('follow');
    const refused = async (container: object, nif?: string) => {
      await using client = await CaptureClient.open(service.current, {
        container,
        follow: true,
        ...(nif && { nif }),
      });
      return await client.ended();
    };
    expect(await refused({ name: 'nowhere' })).toMatchObject({ code: CLOSE_NOT_FOUND });
    expect(await refused({ name: member.title }, 'eth7')).toMatchObject({
      code: CLOSE_NOT_FOUND,
      reason: expect.stringContaining('eth7') as string,
    });
    const stale = { netns: member.namespace.inode, pid: member.pid, starttime: 1, name: 'nowhere' };
    expect(await refused(stale)).toMatchObject({ code: CLOSE_NOT_FOUND });
    await using client = await CaptureClient.open(service.current, {
      container: { ...stale, name: member.title },
      follow: true,
    });
    await client.described('eth0', 'eth1');
  });

  it('is refused for a filter that does not compile, and for a set that does not exist', async () => {
    await using one = await open('none', { filter: 'nonsense and' });
    expect(await one.ended()).toMatchObject({ code: CLOSE_INVALID_REQUEST });
    await using other = await CaptureClient.open(service.current, {
      container: { type: 'set', name: 'nowhere' },
    });
    expect(await other.ended()).toMatchObject({ code: CLOSE_NOT_FOUND });
  });
});
