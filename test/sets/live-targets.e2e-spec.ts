import { RawConnection } from '../kit/raw-connection.js';
import { describeAsRoot } from '../kit/root.js';
import { Service, serviceForAllTests } from '../kit/service.js';
import { TargetEvents, type ListedTarget, type ServerSentEvent } from '../kit/target-events.js';
import { NamedProcess } from './set-members.js';

describeAsRoot('GET /targets', () => {
  const service = serviceForAllTests(['--node-name', 'node-1']);

  it('lists what can be captured', async () => {
    await using member = await NamedProcess.start('listed');
    const response = await fetch(service.current.url('/targets'));
    const { targets } = (await response.json()) as { targets: ListedTarget[] };
    const found = targets.find(({ name }) => name === member.title);
    expect(found).toMatchObject({
      ...{
        name: member.title,
        prefix: '',
        type: 'proc',
        node: 'node-1',
        netns: member.namespace.inode,
        pid: member.pid,
      },
      ...{ labels: {}, namespace: '', project: '', image: '' },
    });
    expect(
      Object.keys(found ?? {})
        .sort()
        .join(),
    ).toBe('image,interfaces,labels,name,namespace,netns,node,pid,prefix,project,starttime,type');
    expect(response.headers.get('cache-control')).toBe('no-store');
  });

  it('sends what starts and ends as events, and resumes after the last one that a client has got', async () => {
    await using client = await TargetEvents.open(service.current);
    await client.until('a snapshot', ({ event }) => event === 'snapshot');
    const names = (event: ServerSentEvent): string[] => event.targets.map(({ name }) => name);
    const member = await NamedProcess.start('event');
    const added = await client.until(
      'the start',
      (each) => each.event === 'added' && names(each).includes(member.title),
    );
    await member[Symbol.asyncDispose]();
    await client.until('the end', (each) => each.event === 'removed' && names(each).includes(member.title));

    await using again = await TargetEvents.open(service.current, added.id);
    await again.until('the end', (each) => each.event === 'removed' && names(each).includes(member.title));
    expect(again.events.map(({ event }) => event)).not.toContain('snapshot');
    await using other = await TargetEvents.open(service.current, 'unknown');
    await other.until('a snapshot', ({ event }) => event === 'snapshot');
  });

  it('survives requests without an end that follow each other in one connection', async () => {
    const head = 'Host: localhost\r\nAccept: text/event-stream\r\n\r\n';
    using connection = RawConnection.open(service.current.port);
    for (const method of ['GET', 'HEAD', 'GET']) connection.send(`${method} /targets HTTP/1.1\r\n${head}`);
    await connection.until((bytes) => bytes.includes('snapshot'));
    const member = await NamedProcess.start('pipelined');
    await connection.until((bytes) => bytes.includes('pipelined'));
    connection.socket.destroy();
    await member[Symbol.asyncDispose]();
    await using client = await TargetEvents.open(service.current);
    await client.until('a snapshot', ({ event }) => event === 'snapshot');
  });

  it('does not keep the service from ending', async () => {
    await using ending = await Service.start();
    await using client = await TargetEvents.open(ending);
    await client.until('a snapshot', ({ event }) => event === 'snapshot');
    expect(await ending.stop()).toBe(0);
  });
});
