import type { Pod } from 'kubernetes-types/core/v1.js';
import { KubernetesApiServer } from '../../../test/fixtures/kubernetes-api.js';
import { eventually } from '../../../test/kit/eventually.js';
import { KubernetesApi } from './kubernetes-api.js';
import { PodWatch } from './pod-watch.js';

const WEB = podNamed('web-7d4b9-x2x', {
  labels: { app: 'web', 'pod-template-hash': '7d4b9' },
  owner: { kind: 'ReplicaSet', name: 'web-7d4b9' },
});

describe('PodWatch', () => {
  let server: KubernetesApiServer;
  let api: KubernetesApi;
  let watch: PodWatch;
  let changes: number;
  let reports: (string | undefined)[];
  beforeEach(async () => {
    server = await KubernetesApiServer.start();
    const { port, serviceAccountFolder } = server;
    api = new KubernetesApi({ host: '127.0.0.1', port, serviceAccountFolder, timeoutMs: 500 });
    changes = 0;
    reports = [];
    watch = new PodWatch({
      api,
      onChange: () => changes++,
      onOutdated: (reason) => reports.push(reason?.message),
      idleMs: 1_000,
      retryMs: 20,
    });
  });
  afterEach(async () => {
    watch.end();
    api.close();
    await server[Symbol.asyncDispose]();
  });

  const knows = (...names: string[]): Promise<unknown> =>
    eventually(`the pods to be ${names.join()}`, () => {
      return !watch.isOutdated && [...(watch.pods?.keys() ?? [])].sort().join() === names.sort().join();
    });

  it('knows node, labels, and the Deployment of a pod', async () => {
    server.setPod(WEB);
    watch.begin();
    await knows('shop/web-7d4b9-x2x');
    expect(watch.pods?.get('shop/web-7d4b9-x2x')).toEqual({
      name: 'shop/web-7d4b9-x2x',
      node: 'worker1',
      labels: { app: 'web', 'pod-template-hash': '7d4b9' },
      workload: 'shop/web',
      hostNetwork: false,
    });
  });

  it.each([
    ['StatefulSet', 'db', 'shop/db'],
    ['DaemonSet', 'proxy', 'shop/proxy'],
    ['Job', 'backup-1', 'shop/backup-1'],
    ['ReplicaSet', 'no-hash', 'shop/no-hash'],
  ])('knows the %s of a pod', async (kind, name, workload) => {
    server.setPod(podNamed('a', { owner: { kind, name } }));
    watch.begin();
    await knows('shop/a');
    expect(watch.pods?.get('shop/a')?.workload).toBe(workload);
  });

  it('lists page by page', async () => {
    const names = Array.from({ length: 1_001 }, (_, index) => `pod-${index}`);
    for (const name of names) server.setPod(podNamed(name));
    watch.begin();
    await knows(...names.map((name) => `shop/${name}`));
    expect(server.count(/limit=/)).toBe(3);
  });

  it('follows what is added, changed and deleted, and reports only what matters', async () => {
    watch.begin();
    await knows();
    server.setPod(podNamed('a'));
    await knows('shop/a');
    const before = changes;
    server.setPod({ ...podNamed('a'), status: { phase: 'Running' } });
    server.setPod(podNamed('b'));
    await knows('shop/a', 'shop/b');
    expect(changes).toBe(before + 1);
    server.setPod(podNamed('b', { labels: { tier: 'back' } }));
    await eventually('the label', () => watch.pods?.get('shop/b')?.labels['tier'] === 'back');
    server.deletePod(podNamed('a'));
    await knows('shop/b');
  });

  it('survives the end and the restart of the API, and tells that its list is outdated meanwhile', async () => {
    server.setPod(podNamed('a'));
    watch.begin();
    await knows('shop/a');
    await server.stop();
    await eventually('the list to be outdated', () => watch.isOutdated);
    expect([...watch.pods!.keys()]).toEqual(['shop/a']);
    await server.restart();
    await eventually('the watch', () => !watch.isOutdated);
    server.setPod(podNamed('b'));
    await knows('shop/a', 'shop/b');
    expect(reports[0]).toBeUndefined();
    expect(reports[1]).toMatch(/^the connection failed \(/);
    expect(reports.at(-1)).toBeUndefined();
    expect(server.count(/limit=/)).toBe(1);
  });

  it('lists again when its version is gone, by an event or by a status', async () => {
    server.setPod(podNamed('a'));
    watch.begin();
    await knows('shop/a');
    server.changeUnseen(() => server.setPod(podNamed('b')));
    server.sendGone();
    await knows('shop/a', 'shop/b');

    server.forgetsVersions = true;
    server.changeUnseen(() => server.deletePod(podNamed('a')));
    server.breakConnections();
    await knows('shop/b');
  });

  it('notices a connection on which nothing comes', async () => {
    watch.begin();
    await knows();
    server.changeUnseen(() => server.setPod(podNamed('a')));
    server.forgetsVersions = true;
    await knows('shop/a');
    expect(reports).toContain('nothing came for 1 s');
  });

  it.each(['fails', 'garbage', 'hangs', 'forbids'] as const)(
    'goes on trying when the API %s',
    async (fault) => {
      server.fault = fault;
      server.setPod(podNamed('a'));
      watch.begin();
      await eventually('some attempts', () => server.requests.length > 2);
      expect(watch.pods).toBeUndefined();
      expect(watch.isOutdated).toBe(true);
      server.fault = 'none';
      await knows('shop/a');
    },
  );
});

function podNamed(
  name: string,
  {
    labels,
    owner,
  }: {
    labels?: Record<string, string>;
    owner?: { kind: string; name: string };
  } = {},
): Pod {
  return {
    metadata: {
      namespace: 'shop',
      name,
      ...(labels && { labels }),
      ...(owner && { ownerReferences: [{ ...owner, apiVersion: 'apps/v1', uid: '1', controller: true }] }),
    },
    spec: { nodeName: 'worker1', containers: [] },
  };
}
