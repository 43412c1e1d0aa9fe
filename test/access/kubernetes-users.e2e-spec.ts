import { statSync } from 'node:fs';
import { GhostwireServer, mobyshark } from '../fixtures/ghostwire-server.js';
import { KubernetesApiServer } from '../fixtures/kubernetes-api.js';
import { startInPod } from '../fixtures/service-in-pod.js';
import { CaptureClient, type CaptureParameters } from '../kit/capture-client.js';
import { CLOSE_DISCOVERY_FAILED, CLOSE_FORBIDDEN } from '../kit/close-codes.js';
import { eventually } from '../kit/eventually.js';
import { sendPackets } from '../kit/packets.js';
import { startTimeOf } from '../kit/processes.js';
import { describeAsRoot } from '../kit/root.js';
import type { Service } from '../kit/service.js';
import { commentsOf, NamedProcess } from '../sets/set-members.js';
import { postTicket, ticketFor } from '../tickets/ticket-client.js';

/** A right counts for 10 s, and is asked for again every 15 s by what runs. */
const REVOKED_MS = 40_000;

interface Listed {
  readonly name: string;
}

describeAsRoot('Users of Kubernetes', () => {
  let kubernetes: KubernetesApiServer;
  let ghostwire: GhostwireServer;
  let service: Service;
  /** Processes that are listed as pods. */
  let web: NamedProcess;
  let vault: NamedProcess;

  beforeAll(async () => {
    kubernetes = await KubernetesApiServer.start();
    [web, vault] = [await NamedProcess.start('web'), await NamedProcess.start('vault')];
    ghostwire = await new GhostwireServer(
      mobyshark([
        // Whose namespace that is shows that pods have others.
        { ...entryOf('init(1)', 'proc', process.pid), pid: 1 },
        entryOf('shop/web', 'pod', web.pid),
        entryOf('bank/vault', 'pod', vault.pid),
        entryOf('kube-system/proxy', 'pod', process.pid),
      ]),
    ).listen();
    const directory = ['--discovery-service', '127.0.0.1', '--gw-port', String(ghostwire.port)];
    service = await startInPod(kubernetes, ['--authorize', 'kubernetes', '--local-discovery', ...directory]);
  });
  afterAll(async () => {
    await service?.[Symbol.asyncDispose]();
    await ghostwire?.close();
    await kubernetes?.[Symbol.asyncDispose]();
    await web?.[Symbol.asyncDispose]();
    await vault?.[Symbol.asyncDispose]();
  });
  afterEach(() => (kubernetes.fault = 'none'));

  /** Each test has users of its own, because answers are kept for 10 s. */
  function user(name: string, ...rights: readonly string[]): Readonly<Record<string, string>> {
    kubernetes.users.set(`token-of-${name}`, { username: name, groups: ['developers'] });
    for (const right of rights) kubernetes.rights.add(`${name} ${right}`);
    return { Authorization: `Bearer token-of-${name}` };
  }

  const open = (parameters: CaptureParameters, headers: Readonly<Record<string, string>>) =>
    CaptureClient.open(service, parameters, { headers });
  const pod = (name: string): CaptureParameters => ({ container: { name, type: 'pod' } });
  const get = (path: string, headers: Readonly<Record<string, string>> = {}) =>
    fetch(service.url(path), { headers });

  async function refused(parameters: CaptureParameters, headers: Readonly<Record<string, string>>) {
    await using client = await open(parameters, headers);
    return await client.ended();
  }

  it('capture from pods of the namespaces in which they may, and from no others', async () => {
    const alice = user('alice', 'pods shop');
    await using client = await open(pod('shop/web'), alice);
    await client.described('eth1');
    await sendPackets(web.namespace, { interface: 'eth0', count: 10, flow: 1 });
    await client.received(20, 1);

    expect(await refused(pod('bank/vault'), alice)).toEqual({
      code: CLOSE_FORBIDDEN,
      reason: 'alice may not create pods/capture in namespace bank',
    });
    await eventually('the log', () => /"capture started".*"user":"alice"/.test(service.log));
    await eventually('the log', () =>
      /"capture refused".*"cause":"forbidden".*"target":"bank\/vault".*"user":"alice"/.test(service.log),
    );
  });

  it('cannot reach another namespace by its number, by a process, or under another name', async () => {
    const headers = user('bob', 'pods shop');
    const { inode } = vault.namespace;
    const { pid } = vault;
    const starttime = startTimeOf(pid);
    for (const parameters of [
      { netns: inode },
      { container: { netns: inode, pid, starttime } },
      { container: { netns: inode, pid, starttime, name: 'shop/web', type: 'pod' } },
      { container: { name: 'kube-system/proxy', type: 'pod' } },
      { netns: statSync('/proc/self/ns/net').ino },
    ]) {
      expect(await refused(parameters, headers)).toMatchObject({ code: CLOSE_FORBIDDEN });
    }
    await using client = await open({ netns: web.namespace.inode }, headers);
    await client.described('eth1');
  });

  it('capture from everything that is no pod with the right to capture from nodes', async () => {
    const headers = user('operator', 'nodes', 'pods *');
    await using client = await open({ container: { name: 'kube-system/proxy', type: 'pod' } }, headers);
    await client.described('lo');
    await using other = await open(pod('bank/vault'), headers);
    await other.described('eth1');
  });

  it('see the targets from which they may capture', async () => {
    const headers = user('carol', 'pods shop');
    const { targets } = (await (await get('/targets', headers)).json()) as { targets: Listed[] };
    expect(targets.map(({ name }) => name)).toEqual(['shop/web']);
    const { containers } = (await (await get('/discover/mobyshark', headers)).json()) as {
      containers: Listed[];
    };
    expect(containers.map(({ name }) => name)).toEqual(['shop/web', '*', 'namespace:shop']);

    const events = await fetch(service.url('/targets'), {
      headers: { ...headers, Accept: 'text/event-stream' },
      signal: AbortSignal.timeout(60_000),
    });
    const reader = events.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    while (!/event: snapshot\n.*\n.*\n\n/.test(text)) text += (await reader.read()).value ?? '';
    expect(text).toContain('shop/web');
    expect(text).not.toContain('bank/vault');
    kubernetes.rights.add('carol pods bank');
    while (!/event: added\n.*\n.*\n\n/.test(text)) text += (await reader.read()).value ?? '';
    expect(text).toContain('bank/vault');
    await reader.cancel();
  });

  it('get a set without the members from which they may not capture, which it names', async () => {
    const headers = user('dave', 'pods shop');
    await using client = await open({ targets: '[{"type":"pod"}]' }, headers);
    await client.described('shop/web:eth1');
    await client.until('the comment', () => commentsOf(client).some((text) => text.includes('bank/vault')));
    expect(commentsOf(client)).toContain('left out, because dave may not capture from them: pod bank/vault');
    await sendPackets(vault.namespace, { interface: 'eth0', count: 10, flow: 2 });
    await sendPackets(web.namespace, { interface: 'eth0', count: 10, flow: 3 });
    await client.received(20, 3);
    expect(client.tagged(2)).toEqual([]);
  });

  it('lose what runs when their right is taken away', async () => {
    const headers = user('erin', 'pods shop', 'pods bank');
    await using set = await open({ targets: '[{"type":"pod"}]' }, headers);
    await set.described('shop/web:eth1', 'bank/vault:eth1');
    await using single = await open(pod('bank/vault'), headers);
    await single.described('eth1');
    kubernetes.rights.delete('erin pods bank');
    const left = /^pod bank\/vault, .*: left, erin may not capture from it any more$/;
    await set.until('the member to leave', () => commentsOf(set).some((text) => left.test(text)), REVOKED_MS);
    expect(await single.ended(REVOKED_MS)).toEqual({
      code: CLOSE_FORBIDDEN,
      reason: 'erin may not capture from this target any more',
    });
    expect(set.closing).toBeUndefined();
  });

  it('get tickets for what they may capture, which end with their right', async () => {
    const headers = user('frank', 'pods shop');
    const refusal = await postTicket(service, '{"container":{"name":"bank/vault","type":"pod"}}', headers);
    expect(refusal.status).toBe(403);
    expect(await refusal.json()).toMatchObject({ code: 'forbidden' });

    const { path } = await ticketFor(service, { container: { name: 'shop/web', type: 'pod' } }, headers);
    await using client = await CaptureClient.open(service, {}, { path });
    await client.described('eth1');
    kubernetes.rights.delete('frank pods shop');
    await eventually(
      'the ticket to be refused',
      async () => {
        await using later = await CaptureClient.open(service, {}, { path });
        return (await Promise.race([later.ended(), later.described('eth1')]))?.code === CLOSE_FORBIDDEN;
      },
      REVOKED_MS,
    );
  });

  it('see and end their own captures only', async () => {
    const [grace, heidi] = [user('grace', 'pods shop'), user('heidi', 'pods shop')];
    await using client = await open(pod('shop/web'), grace);
    await client.described('eth1');
    const listFor = async (headers: Readonly<Record<string, string>>): Promise<Listed[]> => {
      return ((await (await get('/captures', headers)).json()) as { captures: Listed[] }).captures;
    };
    expect(await listFor(heidi)).toEqual([]);
    const [{ name } = { name: '' }] = await listFor(grace);
    const end = (headers: Readonly<Record<string, string>>) =>
      fetch(service.url(`/captures/${name}`), { method: 'DELETE', headers });
    expect((await end(heidi)).status).toBe(404);
    expect((await end(grace)).status).toBe(204);
    expect(await client.ended()).toMatchObject({ code: 1000 });
  });

  it('are refused without a token that Kubernetes accepts', async () => {
    for (const headers of [undefined, { Authorization: 'Bearer unknown' }]) {
      const answer = await get('/targets', headers);
      expect(answer.status).toBe(401);
      expect(answer.headers.get('WWW-Authenticate')).toBe('Bearer');
    }
  });

  it('are refused while the Kubernetes API cannot be asked, and what runs goes on', async () => {
    const [ivan, judy] = [user('ivan', 'pods shop'), user('judy', 'pods shop', 'pods bank')];
    await using running = await open({ targets: '[{"type":"pod"}]' }, ivan);
    await running.described('shop/web:eth1');
    expect((await get('/captures', judy)).status).toBe(200); // her token is known for 10 s
    await kubernetes.stop();
    try {
      const reason = /^the Kubernetes API cannot be asked: the connection failed \(ECONN(REFUSED|RESET)\)$/;
      expect(await refused(pod('bank/vault'), judy)).toMatchObject({
        code: CLOSE_DISCOVERY_FAILED,
        reason: expect.stringMatching(reason) as string,
      });
      const answer = await get('/captures', user('nobody'));
      expect(answer.status).toBe(503);
      expect(await answer.json()).toMatchObject({
        code: 'kubernetes-failed',
        message: expect.stringMatching(reason) as string,
      });
      await sendPackets(web.namespace, { interface: 'eth0', count: 10, flow: 4 });
      await running.received(20, 4);
    } finally {
      await kubernetes.restart();
    }
    await using client = await open(pod('bank/vault'), judy);
    await client.described('eth1');
  });
});

function entryOf(name: string, type: string, pid: number): object {
  const netns = statSync(`/proc/${pid}/ns/net`).ino;
  return {
    name,
    type,
    netns,
    pid,
    starttime: startTimeOf(pid),
    prefix: '',
    'network-interfaces': ['eth0', 'eth1'],
  };
}
