import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PROJECT } from '../container/base-images.js';
import { serviceImageFile } from '../container/service-image.js';
import { type Addressable, CaptureClient, type CaptureParameters } from '../kit/capture-client.js';
import { Child } from '../kit/child.js';
import { eventually } from '../kit/eventually.js';
import { commentsOf } from '../sets/set-members.js';
import { Cluster, type NodeName } from './cluster.js';
import { BINARY, describeWithCluster } from './describe-with-cluster.js';
import { Installation, NAMESPACE, type Pod, podsOf, type ServicePod } from './installation.js';
import { BANK, PEOPLE, SHOP, user, WORKLOADS } from './workloads.js';

const START_TIMEOUT_MS = 900_000;
const END_TIMEOUT_MS = 60_000;
/** For what Kubernetes does on a busy machine. */
const CHANGE_MS = 60_000;
const REQUEST_INTERVAL_MS = 250;
const WEB_SERVERS = JSON.stringify([{ namespace: SHOP, labels: { app: 'web' } }]);

interface Target {
  readonly name: string;
  readonly type: string;
  readonly namespace?: string;
  readonly node?: string;
  readonly labels?: Readonly<Record<string, string>>;
}

describeWithCluster('On Kubernetes', () => {
  let cluster: Cluster;
  let installation: Installation;
  /** The token of a user that may capture from the pods of `shop` only. */
  let alice: string;

  beforeAll(async () => {
    cluster = await Cluster.start(BINARY, [await serviceImageFile()]);
    await cluster.apply(...WORKLOADS);
    installation = await Installation.install(cluster);
    await cluster.apply(...user('alice', SHOP));
    alice = await cluster.api.createToken(PEOPLE, 'alice');
    for (const namespace of [SHOP, BANK]) {
      await cluster.kubectl('--namespace', namespace, 'rollout', 'status', 'deployment/web');
    }
  }, START_TIMEOUT_MS);
  afterAll(() => cluster?.[Symbol.asyncDispose](), END_TIMEOUT_MS);

  const webServers = (): Promise<Pod[]> => podsOf(cluster, SHOP, 'app=web');

  async function gateway(): Promise<ServicePod> {
    const [first] = await installation.gateways();
    if (!first) throw new Error('no gateway is ready');
    return first;
  }

  describe('a node', () => {
    it('lists the pods of its own node by the name that Kubernetes has for it', async () => {
      const { token = '' } = await installation.secret();
      for (const node of await installation.nodes()) {
        const targets = await targetsOf(node, token);
        const expected = (await webServers()).filter((pod) => pod.node === node.node).map(nameOf);
        const found = targets.filter(({ type, namespace }) => type === 'pod' && namespace === SHOP);
        expect(found.map(({ name }) => name)).toEqual(expected);
        expect(new Set(targets.map((target) => target.node))).toEqual(new Set([node.node]));
      }
    });

    it('refuses those who do not have the token, except to say that it is healthy', async () => {
      const [node] = await installation.nodes();
      expect((await fetch(node!.url('/targets', 'http'))).status).toBe(401);
      expect((await fetch(node!.url('/targets', 'http'), bearer(alice))).status).toBe(401);
      expect((await fetch(node!.url('/version', 'http'))).status).toBe(200);
    });
  });

  describe('a set of the pods of a Deployment', () => {
    it('is captured from two nodes in one stream', async () => {
      await using client = await capture(await gateway(), alice);
      const pods = await webServers();
      expect(new Set(pods.map(({ node }) => node))).toEqual(new Set(['node1', 'node2']));
      await expectPacketsOf(client, pods);
    });

    it('lives through a rolling update', async () => {
      await using client = await capture(await gateway(), alice);
      const old = await webServers();
      await expectPacketsOf(client, old);
      await cluster.kubectl('--namespace', SHOP, 'rollout', 'restart', 'deployment/web');
      await cluster.kubectl('--namespace', SHOP, 'rollout', 'status', 'deployment/web');
      const updated = await webServers();
      expect(updated.map(nameOf).filter((name) => old.map(nameOf).includes(name))).toEqual([]);
      await expectPacketsOf(client, updated);
    });

    it('lives while a kubelet is dead, and when it is back', async () => {
      await using client = await capture(await gateway(), alice);
      const pods = await webServers();
      await cluster.killKubelet('node2');
      await expectPacketsOf(client, pods);
      await using later = await capture(await gateway(), alice);
      await expectPacketsOf(later, pods);
      await cluster.startKubelet('node2');
      await expectPacketsOf(client, pods);
    }, 120_000);

    it('goes on when the service on a node has been replaced, and says which node was missing', async () => {
      await using client = await capture(await gateway(), alice);
      const pods = await webServers();
      await expectPacketsOf(client, pods);
      await replaceServiceOn('node1');
      await client.until('a comment about the node', () => says(client, /node1/), CHANGE_MS);
      await expectPacketsOf(client, pods);
    }, 120_000);
  });

  describe('a user', () => {
    it('sees what he may capture, by the labels of Kubernetes', async () => {
      const targets = await targetsOf(await gateway(), alice);
      const pods = targets.filter(({ type }) => type === 'pod');
      expect(pods.map(({ name }) => name).sort()).toEqual((await webServers()).map(nameOf).sort());
      for (const { labels } of pods) expect(labels).toMatchObject({ app: 'web' });
      expect(new Set(pods.map(({ node }) => node))).toEqual(new Set(['node1', 'node2']));
      expect(targets.filter(({ namespace }) => namespace === BANK)).toEqual([]);
    });

    it('may not capture from the pods of another namespace', async () => {
      const [pod] = await podsOf(cluster, BANK, 'app=web');
      const container = { type: 'pod', name: nameOf(pod!) };
      await using client = await capture(await gateway(), alice, { container });
      expect(await client.ended()).toMatchObject({ code: 4403 });
    });

    it('is refused without a token, and with one that Kubernetes has revoked', async () => {
      await cluster.apply(...user('bob', SHOP));
      const bob = await cluster.api.createToken(PEOPLE, 'bob');
      const url = (await gateway()).url('/targets', 'http');
      expect((await fetch(url)).status).toBe(401);
      expect((await fetch(url, bearer(bob))).status).toBe(200);
      await cluster.kubectl('--namespace', PEOPLE, 'delete', 'serviceaccount', 'bob');
      const isRefused = async (): Promise<boolean> => (await fetch(url, bearer(bob))).status === 401;
      await eventually('the token to be refused', isRefused, CHANGE_MS);
    });

    it('gives a ticket of one gateway to the other', async () => {
      const [one, other] = await installation.gateways();
      const body = JSON.stringify({ targets: JSON.parse(WEB_SERVERS) as unknown });
      const headers = { ...bearer(alice).headers, 'Content-Type': 'application/json' };
      const answer = await fetch(one!.url('/tickets', 'http'), { method: 'POST', headers, body });
      const { path } = (await answer.json()) as { path: string };
      await using client = await CaptureClient.open(other!, {}, { path });
      await expectPacketsOf(client, await webServers());
    });

    it('captures through kubectl port-forward', async () => {
      const kubeconfig = cluster.writeKubeconfig('alice', alice);
      const forwarding = ['port-forward', '--address=127.0.0.1', 'service/packetflix', ':5001'];
      const options = ['--kubeconfig', kubeconfig, '--namespace', NAMESPACE];
      await using forward = await Child.start('kubectl', [...options, ...forwarding]);
      const [, port] = await forward.saying(/127\.0\.0\.1:(\d+)/);
      const service = {
        url: (path: string, scheme: string) => `${scheme}://127.0.0.1:${port}${path}`,
        log: '',
      };
      await using client = await capture(service, alice);
      await expectPacketsOf(client, await webServers());
    });

    it.each([
      ['the capture command', [process.execPath, join(PROJECT, 'dist/cli/main.js'), '--kubernetes']],
      ['kubectl packetflix', [join(PROJECT, 'kubernetes/kubectl-packetflix')]],
    ])('captures with %s, by nothing but a kubeconfig', async (_, [program = '', ...args]) => {
      const set = ['--namespace', SHOP, '--label', 'app=web', '-w', '-'];
      const env = { ...process.env, KUBECONFIG: cluster.writeKubeconfig('alice', alice) };
      await using command = await Child.start(program, [...args, ...set], env);
      for (const pod of await webServers()) {
        await sendUntil(pod, (marker) => command.stdout.includes(marker)).catch((cause: unknown) => {
          throw new Error(`no packet:\n${command.stderr}`, { cause });
        });
      }
      // Killed by SIGKILL, the plugin would leave its kubectl.
      command.signal('SIGTERM');
      await command.ended;
    });
  });

  it('keeps captures when the API server dies, and refuses new ones until it is back', async () => {
    const pods = await webServers();
    const entry = await gateway();
    const eve = await cluster.api.createToken(PEOPLE, 'alice');
    await using client = await capture(entry, alice);
    await expectPacketsOf(client, pods);
    await cluster.killApiServer();
    await expectPacketsOf(client, pods);
    // This token has never been reviewed.
    const answer = await fetch(entry.url('/targets', 'http'), bearer(eve));
    expect({ status: answer.status, text: await answer.text() }).toEqual({
      status: 503,
      text: expect.stringContaining('Kubernetes') as string,
    });
    await cluster.startApiServer();
    await eventually('an answer', async () => (await targetsOf(entry, eve)).length > 0, CHANGE_MS);
    await expectPacketsOf(client, pods);
  }, 120_000);

  it('has a gateway that conforms to the strictest Pod Security Standard, unlike the nodes', async () => {
    const label = 'pod-security.kubernetes.io/enforce=restricted';
    const options = ['label', '--dry-run=server', '--overwrite', 'namespace', NAMESPACE, label];
    const kubectl = await Child.start('kubectl', ['--kubeconfig', cluster.kubeconfig, ...options]);
    await kubectl.succeeded();
    expect(kubectl.stderr).toMatch(/packetflix-node/);
    expect(kubectl.stderr).not.toMatch(/packetflix-gateway/);
  });

  it('keeps the token and the ticket key when it is upgraded, and then serves through the API server', async () => {
    const before = await installation.secret();
    await installation.upgrade('gateway.authorize=none');
    expect(await installation.secret()).toEqual(before);
    // The proxy of the API server drops the query of an upgrade, so the set is in a header.
    const proxy = `${cluster.api.address}/api/v1/namespaces/${NAMESPACE}/services/packetflix:5001/proxy`;
    const through = {
      url: proxy.replace('https:', 'wss:'),
      certificate: readFileSync(cluster.api.certificateFile, 'utf8'),
    };
    const headers = { ...bearer(alice).headers, 'Clustershark-Targets': WEB_SERVERS };
    await using client = await CaptureClient.open(await gateway(), {}, { through, headers });
    await expectPacketsOf(client, await webServers());
  }, 120_000);

  it('leaves nothing of its own when it is uninstalled', async () => {
    await installation.uninstall();
    const kinds = 'all,secrets,serviceaccounts,roles,networkpolicies,clusterroles,clusterrolebindings';
    const selector = 'app.kubernetes.io/instance=packetflix';
    const options = ['get', kinds, '--namespace', NAMESPACE, '--selector', selector, '--output', 'name'];
    await eventually(
      'the end of all pods',
      async () => (await cluster.kubectl(...options)) === '',
      CHANGE_MS,
    );
  }, 90_000);

  async function replaceServiceOn(name: NodeName): Promise<void> {
    const serviceOn = async (): Promise<string | undefined> =>
      (await installation.nodes()).find(({ node }) => node === name)?.name;
    const old = await serviceOn();
    await cluster.kubectl('--namespace', NAMESPACE, 'delete', 'pod', '--wait=false', String(old));
    const isReplaced = async (): Promise<boolean> => ![old, undefined].includes(await serviceOn());
    await eventually(`another service on ${name}`, isReplaced, CHANGE_MS);
  }
});

function capture(
  service: Addressable,
  token: string,
  parameters: CaptureParameters = { targets: WEB_SERVERS },
): Promise<CaptureClient> {
  return CaptureClient.open(service, parameters, bearer(token));
}

function bearer(token: string): { headers: { Authorization: string } } {
  return { headers: { Authorization: `Bearer ${token}` } };
}

async function targetsOf(service: Addressable, token: string): Promise<Target[]> {
  const answer = await fetch(service.url('/targets', 'http'), bearer(token));
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}\n${service.log}`);
  return ((await answer.json()) as { targets: Target[] }).targets;
}

/** Sends requests to these web servers until the client has received one of each from the right interface. */
async function expectPacketsOf(client: CaptureClient, pods: readonly Pod[]): Promise<void> {
  for (const pod of pods) {
    const interfaceName = `${nameOf(pod)} in ${pod.node}:eth0`;
    await sendUntil(pod, (marker) =>
      client.packets.some(
        (packet) => packet.interface.name === interfaceName && packet.data.includes(marker),
      ),
    );
  }
}

/** Sends requests to a web server until one of them has been received. */
async function sendUntil(pod: Pod, isReceived: (marker: string) => boolean): Promise<void> {
  const marker = randomUUID();
  const isSentAndReceived = async (): Promise<boolean> => {
    await (await fetch(`http://${pod.address}:8080/${marker}`)).text();
    await sleep(REQUEST_INTERVAL_MS);
    return isReceived(marker);
  };
  await eventually(`packets of ${nameOf(pod)}`, isSentAndReceived, CHANGE_MS);
}

function says(client: CaptureClient, pattern: RegExp): boolean {
  return commentsOf(client).some((text) => pattern.test(text));
}

function nameOf({ namespace, name }: Pod): string {
  return `${namespace}/${name}`;
}
