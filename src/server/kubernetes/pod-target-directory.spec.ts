import { Logger } from '@nestjs/common';
import { KubernetesApiServer } from '../../../test/fixtures/kubernetes-api.js';
import { eventually } from '../../../test/kit/eventually.js';
import { TargetDirectory, type DirectoryEntry } from '../discovery/target-directory.js';
import { KubernetesApi } from './kubernetes-api.js';
import { PodTargetDirectory } from './pod-target-directory.js';

const WEB: DirectoryEntry = {
  name: 'shop/web-1',
  prefix: 'worker1',
  node: 'worker1',
  type: 'pod',
  netns: 5,
  pid: 7,
  startTime: 9,
  interfaces: [],
  labels: { app: 'claimed' },
};

class Directory extends TargetDirectory {
  entries: DirectoryEntry[] = [WEB];
  private publish: () => void = () => undefined;

  override find(): Promise<DirectoryEntry[]> {
    return this.list();
  }
  override list(): Promise<DirectoryEntry[]> {
    return Promise.resolve(this.entries);
  }
  override async *watch(signal: AbortSignal): AsyncIterable<readonly DirectoryEntry[]> {
    for (;;) {
      yield this.entries;
      await new Promise<void>((resolve, reject) => {
        this.publish = resolve;
        signal.addEventListener('abort', () => reject(signal.reason as Error));
      });
    }
  }
  change(...entries: DirectoryEntry[]): void {
    this.entries = entries;
    this.publish();
  }
}

describe('PodTargetDirectory', () => {
  let server: KubernetesApiServer;
  let api: KubernetesApi;
  let nodes: Directory;
  let directory: PodTargetDirectory;
  beforeEach(async () => {
    Logger.overrideLogger(false);
    server = await KubernetesApiServer.start();
    server.setPod(pod({ app: 'web' }));
    const { port, serviceAccountFolder } = server;
    api = new KubernetesApi({ host: '127.0.0.1', port, serviceAccountFolder });
    nodes = new Directory();
    directory = new PodTargetDirectory(nodes, api);
  });
  afterEach(async () => {
    directory.onModuleDestroy();
    api.close();
    await server[Symbol.asyncDispose]();
  });

  const known = (): Promise<unknown> =>
    eventually('the pods to be known', async () => (await directory.list())[0]?.hostNetwork !== undefined);

  it('has labels and Deployment of the API, not those that the node tells', async () => {
    await known();
    expect(await directory.find('shop/web-1', '')).toEqual([
      { ...WEB, labels: { app: 'web', 'pod-template-hash': '1' }, workload: 'shop/web', hostNetwork: false },
    ]);
  });

  it('leaves out a pod that a node lists which it is not on', async () => {
    await known();
    const elsewhere = { ...WEB, prefix: 'worker2', node: 'worker2' };
    nodes.entries = [WEB, elsewhere];
    expect((await directory.list()).map(({ node }) => node)).toEqual(['worker1']);
  });

  it('leaves as they are what is no pod of Kubernetes and what the API does not know', async () => {
    await known();
    const claim = { ...WEB, prefix: 'worker2/dind', node: 'worker2' };
    const others = [claim, { ...WEB, name: 'shop/unknown' }, { ...WEB, type: 'docker' }];
    nodes.entries = others;
    expect(await directory.list()).toEqual(others);
  });

  it('is as the nodes list it without the right to list pods', async () => {
    directory.onModuleDestroy();
    server.fault = 'forbids';
    directory = new PodTargetDirectory(nodes, api);
    await eventually('an attempt', () => server.count(/pods\?limit/) > 1);
    expect(await directory.list()).toEqual([WEB]);
  });

  it('tells changes of the targets and of the pods', async () => {
    await known();
    const ending = new AbortController();
    const lists: (string | undefined)[] = [];
    const watching = (async () => {
      for await (const entries of directory.watch(ending.signal)) {
        lists.push(entries.map(({ name, labels }) => `${name} ${labels?.['app']}`).join());
      }
    })();
    await eventually('the first list', () => lists.at(-1) === 'shop/web-1 web');
    server.setPod(pod({ app: 'shop' }));
    await eventually('the new label', () => lists.at(-1) === 'shop/web-1 shop');
    nodes.change(WEB, { ...WEB, name: 'shop/other' });
    await eventually('the other', () => lists.at(-1) === 'shop/web-1 shop,shop/other claimed');
    ending.abort();
    await expect(watching).rejects.toThrow('aborted');
  });
});

function pod(labels: Record<string, string>) {
  const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web-1', uid: '1', controller: true };
  return {
    metadata: {
      namespace: 'shop',
      name: 'web-1',
      labels: { ...labels, 'pod-template-hash': '1' },
      ownerReferences: [owner],
    },
    spec: { nodeName: 'worker1', containers: [] },
  };
}
