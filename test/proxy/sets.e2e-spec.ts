import { GhostwireServer, mobyshark } from '../fixtures/ghostwire-server.js';
import { CaptureClient } from '../kit/capture-client.js';
import { describeAsRoot } from '../kit/root.js';
import { Service } from '../kit/service.js';
import { NamedProcess } from '../sets/set-members.js';
import { startTimeOf } from '../kit/processes.js';

const OPTIONS = [
  '--proxy-discovery',
  '--discovery-service',
  '127.0.0.1',
  '--target-set',
  'mine=[{"name":"web"}]',
];

describeAsRoot('With --proxy-discovery', () => {
  let ghostwire: GhostwireServer;
  let service: Service;
  beforeAll(async () => {
    ghostwire = await new GhostwireServer(mobyshark([])).listen();
    service = await Service.start([...OPTIONS, '--gw-port', String(ghostwire.port)]);
  });
  afterAll(() => service?.[Symbol.asyncDispose]());
  afterAll(() => ghostwire?.close());

  const get = (path: string) => fetch(service.url(path));

  it("the list of GhostWire's targets has the sets, and everything else that GhostWire says", async () => {
    const pod = { name: 'shop/web', type: 'pod', netns: 5, colour: 'blue' };
    ghostwire.answer = (_, response) =>
      response.setHeader('x-own', 'yes').end(JSON.stringify({ metadata: { a: 1 }, containers: [pod, 7] }));
    const response = await get('/discover/mobyshark');
    const list = (await response.json()) as {
      metadata: object;
      containers: { name: string; type: string }[];
    };
    expect(response.headers.get('x-own')).toBe('yes');
    expect(list.metadata).toEqual({ a: 1 });
    expect(list.containers.slice(0, 2)).toEqual([pod, 7]);
    expect(list.containers.slice(2).map(({ name, type }) => `${type} ${name}`)).toEqual([
      'set *',
      'set mine',
      'set namespace:shop',
    ]);
    expect(await (await get('/mobyshark')).json()).toEqual({ metadata: { a: 1 }, containers: [pod, 7] });
  });

  it.each(['no JSON', 'null', '{"containers":{}}'])(
    'what is no list is passed on unchanged: %s',
    async (text) => {
      ghostwire.answer = (_, response) => response.end(text);
      expect(await (await get('/discover/mobyshark')).text()).toBe(text);
    },
  );

  it('a list that breaks off is not taken for a complete one', async () => {
    ghostwire.answer = (_, response) => {
      response.writeHead(200, { 'content-length': '1000' }).write('{');
      setTimeout(() => response.destroy(), 100);
    };
    await expect(get('/discover/mobyshark')).rejects.toThrow('fetch failed');
  });

  it("a set has members of GhostWire's list", async () => {
    await using member = await NamedProcess.start('listed');
    const facts = { netns: member.namespace.inode, pid: member.pid, starttime: startTimeOf(member.pid) };
    ghostwire.answer = mobyshark([]);
    await using client = await CaptureClient.open(service, {
      container: { type: 'set', name: 'mine' },
      nif: 'eth1',
    });
    await client.until('the section', () => client.kinds.length > 0);
    ghostwire.answer = mobyshark([{ name: 'web', type: 'docker', 'network-interfaces': ['eth1'], ...facts }]);
    await client.described('web:eth1');
  });
});
