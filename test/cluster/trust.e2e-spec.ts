import { chmodSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import { CaptureClient } from '../kit/capture-client.js';
import {
  Cluster,
  describeWithCluster,
  DNS_NODES,
  type Host,
  nodesAnswer,
  NODES_NAME,
  NODE_PORT,
  stateOfNodes,
  type Target,
  targetsOf,
} from '../kit/cluster.js';
import { eventually } from '../kit/eventually.js';
import { sendPackets } from '../kit/packets.js';
import { run } from '../kit/run.js';
import type { Service } from '../kit/service.js';

const TOKEN = 'token-of-this-cluster';
const NEW_TOKEN = 'new-token-of-this-cluster';
const TIMEOUT_MS = 20_000;

const withToken = (token: string) => ({ authorization: `Bearer ${token}` });

/** A proxy that terminates TLS. */
class TlsProxy implements AsyncDisposable {
  private readonly sockets = new Set<Socket>();

  private constructor(private readonly server: ReturnType<typeof createServer>) {}

  static async before(
    upstream: Host,
    address: string,
    files: { key: string; cert: string },
  ): Promise<TlsProxy> {
    const server = createServer(
      { key: readFileSync(files.key), cert: readFileSync(files.cert) },
      (client) => {
        const socket = connect(NODE_PORT, upstream.address);
        for (const each of [client, socket]) {
          proxy.sockets.add(each);
          each.on('error', () => undefined).on('close', () => [client, socket].map((one) => one.destroy()));
        }
        client.pipe(socket).pipe(client);
      },
    );
    server.on('tlsClientError', () => undefined); // it refuses the certificate
    const proxy = new TlsProxy(server);
    server.listen(0, address);
    await once(server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    await once(this.server, 'close');
  }
}

describeWithCluster('Between a gateway and its nodes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'packetflix-test-'));
  // The service drops root, and its user must be able to read the files.
  chmodSync(folder, 0o755);
  const file = (name: string): string => join(folder, name);
  let cluster: Cluster;
  const targets: Target[] = [];

  function write(name: string, token: string): void {
    writeFileSync(file(`${name}.new`), `${token}\n`);
    renameSync(file(`${name}.new`), file(name));
  }

  beforeAll(async () => {
    cluster = await Cluster.create();
    write('nodes', TOKEN);
    for (const name of ['alpha', 'beta']) {
      const host = await cluster.addHost(name, ['--token-file', file('nodes')]);
      targets.push(await host.addTarget('guarded'));
    }
    await cluster.names.set(cluster.hosts.map(({ address }) => address));
  });
  afterAll(async () => {
    await cluster?.[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });

  async function expectCapture(gateway: Service, target: Target, headers = {}): Promise<void> {
    const request = { container: target.reference, nif: 'eth1' };
    await using client = await CaptureClient.open(gateway, request, { headers });
    await client.described('eth1');
    await sendPackets(target.namespace, { interface: 'eth0', count: 5 });
    await client.received(5);
  }

  it.each([
    ['no token', []],
    ['a wrong token', ['--token-file', file('wrong')]],
  ])('nothing is listed and captured with %s, and readiness says why', async (_, options) => {
    write('wrong', 'another-token-of-16');
    await using gateway = await cluster.startGateway(['--nodes', DNS_NODES, ...options]);
    const state = await eventually('both nodes', async () => {
      const message = await stateOfNodes(gateway);
      return ['alpha', 'beta'].every((name) => message.includes(`node ${name}: `)) && message;
    });
    expect(state).toMatch(/node alpha: .*refuses this gateway \(HTTP status 401\): --token-file/);
    const headers = options.length > 0 ? withToken('another-token-of-16') : {};
    expect(await targetsOf(gateway, headers)).toEqual([]);
    const request = {
      container: { ...targets[0]?.reference, netns: targets[0]?.namespace.inode, pid: 1, starttime: 1 },
    };
    await using client = await CaptureClient.open(gateway, request, { headers });
    expect([4404, 4502]).toContain((await client.ended()).code);
  });

  it('a token lets the gateway in, and when it is changed, new captures need the new one', async () => {
    write('gateway', TOKEN);
    const options = ['--nodes', DNS_NODES, '--token-file', file('gateway')];
    await using gateway = await cluster.startGateway(options);
    await nodesAnswer(gateway, 2, TIMEOUT_MS, withToken(TOKEN));
    const [alpha, beta] = targets as [Target, Target];
    const request = { container: alpha.reference, nif: 'eth1' };
    await using running = await CaptureClient.open(gateway, request, { headers: withToken(TOKEN) });
    await running.described('eth1');
    await expectCapture(gateway, beta, withToken(TOKEN));

    write('nodes', NEW_TOKEN);
    await eventually('a refusal', async () => {
      const refused = { container: beta.reference };
      await using client = await CaptureClient.open(gateway, refused, { headers: withToken(TOKEN) });
      await client.until('an end or a stream', () => client.closing !== undefined || client.kinds.length > 0);
      return /^node beta: .*401/.test(client.closing?.reason ?? '');
    });
    write('gateway', NEW_TOKEN);
    await nodesAnswer(gateway, 2, TIMEOUT_MS, withToken(NEW_TOKEN));
    await eventually('a capture', async () => {
      await expectCapture(gateway, beta, withToken(NEW_TOKEN));
      return true;
    });
    // What runs goes on.
    await sendPackets(alpha.namespace, { interface: 'eth0', count: 5, flow: 9 });
    await running.received(5, 9);
    expect(running.closing).toBeUndefined();
    write('nodes', TOKEN);
    expect(gateway.log + cluster.hosts.map(({ log }) => log).join('')).not.toContain(NEW_TOKEN);
  });

  describe('with TLS', () => {
    let proxy: TlsProxy;
    beforeAll(async () => {
      write('gateway', TOKEN);
      const names = `subjectAltName=DNS:${NODES_NAME},IP:${cluster.ourAddress}`;
      await certificate('node', names);
      await certificate('other', names);
      await certificate('other-name', 'subjectAltName=DNS:other.test');
      const files = { key: file('node.key'), cert: file('node.pem') };
      proxy = await TlsProxy.before(cluster.host('alpha'), cluster.ourAddress, files);
      await cluster.names.set([cluster.ourAddress]);
    });
    afterAll(() => proxy?.[Symbol.asyncDispose]());

    async function certificate(name: string, subject: string): Promise<void> {
      const kind = ['-x509', '-nodes', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];
      const names = ['-subj', `/CN=${name}`, '-addext', subject];
      await run(
        'openssl',
        'req',
        ...kind,
        ...names,
        '-keyout',
        file(`${name}.key`),
        '-out',
        file(`${name}.pem`),
      );
    }

    const optionsFor = (node: string, authority?: string): string[] => [
      ...['--nodes', node, '--token-file', file('gateway')],
      ...(authority !== undefined ? ['--node-ca-file', file(authority)] : []),
    ];

    it.each([
      ['its address', () => `https://${cluster.ourAddress}:${proxy.port}`],
      ['its name in the name service', () => `dns:https://${NODES_NAME}:${proxy.port}`],
    ])('a node is reached by %s', async (_, node) => {
      await using gateway = await cluster.startGateway(optionsFor(node(), 'node.pem'));
      await nodesAnswer(gateway, 1, TIMEOUT_MS, withToken(TOKEN));
      await expectCapture(gateway, targets[0] as Target, withToken(TOKEN));
    });

    it.each([
      ['another authority', 'other.pem'],
      ['the authorities of the system', undefined],
    ])('a node is refused with %s, and gets no token', async (_, authority) => {
      const options = optionsFor(`https://${cluster.ourAddress}:${proxy.port}`, authority);
      await using gateway = await cluster.startGateway(options);
      await eventually('a reason', () => /certificate|self-signed/.test(gateway.log));
      expect(gateway.log).not.toMatch(/ answers at /);
      const response = await fetch(gateway.url('/readyz'));
      expect(response.status).toBe(503);
    });

    it('a node whose certificate is of another name is refused', async () => {
      const files = { key: file('other-name.key'), cert: file('other-name.pem') };
      await using other = await TlsProxy.before(cluster.host('alpha'), cluster.ourAddress, files);
      const node = `dns:https://${NODES_NAME}:${other.port}`;
      await using gateway = await cluster.startGateway(optionsFor(node, 'other-name.pem'));
      await eventually('a reason', () => /does not match/.test(gateway.log));
      expect(gateway.log).not.toMatch(/ answers at /);
    });
  });
});
