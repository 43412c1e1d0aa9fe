import { statSync } from 'node:fs';
import type { Pod } from 'kubernetes-types/core/v1.js';
import { GhostwireServer, mobyshark } from '../fixtures/ghostwire-server.js';
import { KubernetesApiServer } from '../fixtures/kubernetes-api.js';
import { startInPod } from '../fixtures/service-in-pod.js';
import { CaptureClient } from '../kit/capture-client.js';
import { CLOSE_FORBIDDEN } from '../kit/close-codes.js';
import { eventually } from '../kit/eventually.js';
import { sendPackets } from '../kit/packets.js';
import { startTimeOf } from '../kit/processes.js';
import { describeAsRoot } from '../kit/root.js';
import { Service } from '../kit/service.js';
import { NamedProcess } from '../sets/set-members.js';

const ALICE = { Authorization: 'Bearer token-of-alice' };
/** GhostWire's list is asked for every 3 s. */
const JOIN_MS = 15_000;

interface Listed {
  readonly name: string;
  readonly node: string;
  readonly labels: Record<string, string>;
  readonly workload?: string;
}

/** Two nodes, of which the second claims a pod of the first. */
describeAsRoot('A gateway in Kubernetes', () => {
  let kubernetes: KubernetesApiServer;
  let web: NamedProcess;
  let other: NamedProcess;
  const parts: AsyncDisposable[] = [];
  let gateway: Service;

  beforeAll(async () => {
    kubernetes = await KubernetesApiServer.start();
    kubernetes.users.set('token-of-alice', { username: 'alice' });
    kubernetes.rights.add('alice pods shop');
    kubernetes.setPod(podNamed('web-5f-a', 'worker1'));
    [web, other] = [await NamedProcess.start('web'), await NamedProcess.start('other')];
    const nodes = [
      await startNode('worker1', [entryOf('shop/web-5f-a', web.pid), entryOf('shop/web-5f-b', other.pid)]),
      await startNode('worker2', [entryOf('shop/web-5f-a', other.pid), entryOf('bank/vault', other.pid)]),
    ];
    const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`).join();
    gateway = await startInPod(kubernetes, ['--authorize', 'kubernetes', '--nodes', addresses]);
    parts.push(kubernetes, web, other, gateway);
    await eventually('both nodes and the pods', async () => (await list()).some(({ workload }) => workload));
  });
  afterAll(async () => {
    for (const part of parts.reverse()) await part[Symbol.asyncDispose]();
  });

  async function startNode(name: string, entries: readonly object[]): Promise<Service> {
    const init = { ...entryOf('init(1)', process.pid), type: 'proc', pid: 1 };
    const ghostwire = await new GhostwireServer(mobyshark([init, ...entries])).listen();
    const directory = ['--discovery-service', '127.0.0.1', '--gw-port', String(ghostwire.port)];
    const node = await Service.start(['--node-name', name, '--local-discovery', ...directory]);
    parts.push({ [Symbol.asyncDispose]: () => ghostwire.close() }, node);
    return node;
  }

  async function list(): Promise<Listed[]> {
    const answer = await fetch(gateway.url('/targets'), { headers: ALICE });
    return ((await answer.json()) as { targets: Listed[] }).targets;
  }

  it('lists the pods from which the user may capture, with labels and workload, each on its own node', async () => {
    const listed = (await list()).map(({ name, node, labels, workload }) => [
      name,
      node,
      labels['app'],
      workload,
    ]);
    expect(listed).toEqual([
      ['shop/web-5f-a', 'worker1', 'web', 'shop/web'],
      ['shop/web-5f-b', 'worker1', undefined, undefined],
    ]);
  });

  it.each([
    ['the labels', { labels: { app: 'web' }, namespace: 'shop' }],
    ['the name of a Deployment', { name: 'shop/web' }],
  ])('captures a living set by %s of pods', async (_, selector) => {
    const targets = JSON.stringify([selector]);
    await using client = await CaptureClient.open(gateway, { targets }, { headers: ALICE });
    await client.described('shop/web-5f-a in worker1:eth1');
    kubernetes.setPod(podNamed('web-5f-b', 'worker1'));
    await client.until(
      'the second pod',
      () => client.interfaceNames.includes('shop/web-5f-b in worker1:eth1'),
      JOIN_MS,
    );
    await sendPackets(other.namespace, { interface: 'eth0', count: 10, flow: 1 });
    await client.received(20, 1);
    kubernetes.deletePod(podNamed('web-5f-b', 'worker1'));
  });

  it('refuses what the user may not capture, on the node that has it', async () => {
    const container = { name: 'bank/vault', type: 'pod', prefix: 'worker2' };
    await using client = await CaptureClient.open(gateway, { container }, { headers: ALICE });
    expect(await client.ended()).toMatchObject({ code: CLOSE_FORBIDDEN });
  });
});

function podNamed(name: string, nodeName: string): Pod {
  const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web-5f', uid: '1', controller: true };
  const labels = { app: 'web', 'pod-template-hash': '5f' };
  return {
    metadata: { namespace: 'shop', name, labels, ownerReferences: [owner] },
    spec: { nodeName, containers: [] },
  };
}

function entryOf(name: string, pid: number): object {
  const netns = statSync(`/proc/${pid}/ns/net`).ino;
  const interfaces = { 'network-interfaces': ['eth0', 'eth1'] };
  return { name, type: 'pod', netns, pid, starttime: startTimeOf(pid), prefix: '', ...interfaces };
}
