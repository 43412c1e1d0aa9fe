import { eventually } from '../kit/eventually.js';
import { RawConnection } from '../kit/raw-connection.js';
import { describeAsRoot } from '../kit/root.js';
import { Service, serviceForAllTests } from '../kit/service.js';
import { NamedProcess } from './set-members.js';

interface ListedTarget {
  readonly name: string;
  readonly netns: number;
}

interface ServerSentEvent {
  readonly event: string;
  readonly id: string;
  readonly targets: readonly ListedTarget[];
}

/** A client of server-sent events. */
class EventClient implements AsyncDisposable {
  readonly events: ServerSentEvent[] = [];
  private readonly leaving = new AbortController();
  private done: Promise<void> = Promise.resolve();

  static async open(service: Service, lastId?: string): Promise<EventClient> {
    const client = new EventClient();
    const response = await fetch(service.url('/targets'), {
      headers: { accept: 'text/event-stream', ...(lastId !== undefined && { 'last-event-id': lastId }) },
      signal: client.leaving.signal,
    });
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    client.done = client.read(response).catch(() => undefined);
    return client;
  }

  until(what: string, condition: (event: ServerSentEvent) => boolean): Promise<ServerSentEvent> {
    return eventually(what, () => this.events.find(condition));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.leaving.abort();
    await this.done;
  }

  private async read({ body }: Response): Promise<void> {
    let text = '';
    for await (const chunk of (body ?? []) as AsyncIterable<Uint8Array>) {
      const blocks = (text + Buffer.from(chunk).toString()).split('\n\n');
      text = blocks.pop() ?? '';
      for (const block of blocks) {
        const [, event = '', id = '', data = ''] = /^event: (.*)\nid: (.*)\ndata: (.*)$/.exec(block) ?? [];
        if (event) this.events.push({ event, id, ...(JSON.parse(data) as { targets: ListedTarget[] }) });
      }
    }
  }
}

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
    await using client = await EventClient.open(service.current);
    await client.until('a snapshot', ({ event }) => event === 'snapshot');
    const names = (event: ServerSentEvent): string[] => event.targets.map(({ name }) => name);
    const member = await NamedProcess.start('event');
    const added = await client.until(
      'the start',
      (each) => each.event === 'added' && names(each).includes(member.title),
    );
    await member[Symbol.asyncDispose]();
    await client.until('the end', (each) => each.event === 'removed' && names(each).includes(member.title));

    await using again = await EventClient.open(service.current, added.id);
    await again.until('the end', (each) => each.event === 'removed' && names(each).includes(member.title));
    expect(again.events.map(({ event }) => event)).not.toContain('snapshot');
    await using other = await EventClient.open(service.current, 'unknown');
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
    await using client = await EventClient.open(service.current);
    await client.until('a snapshot', ({ event }) => event === 'snapshot');
  });

  it('does not keep the service from ending', async () => {
    await using ending = await Service.start();
    await using client = await EventClient.open(ending);
    await client.until('a snapshot', ({ event }) => event === 'snapshot');
    expect(await ending.stop()).toBe(0);
  });
});
