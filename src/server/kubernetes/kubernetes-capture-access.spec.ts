import { Logger } from '@nestjs/common';
import { KubernetesApiServer } from '../../../test/fixtures/kubernetes-api.js';
import { KubernetesApi } from './kubernetes-api.js';
import { KubernetesCaptureAccess } from './kubernetes-capture-access.js';

const ALICE = { name: 'alice', groups: ['developers'] };
const SHOP = { kind: 'pods', namespace: 'shop' } as const;
const NODES = { kind: 'nodes' } as const;

describe('KubernetesCaptureAccess', () => {
  let server: KubernetesApiServer;
  let api: KubernetesApi;
  let access: KubernetesCaptureAccess;
  beforeEach(async () => {
    Logger.overrideLogger(false);
    server = await KubernetesApiServer.start();
    const { port, serviceAccountFolder } = server;
    api = new KubernetesApi({ host: '127.0.0.1', port, serviceAccountFolder, timeoutMs: 500 });
    access = new KubernetesCaptureAccess(api);
  });
  afterEach(async () => {
    api.close();
    await server[Symbol.asyncDispose]();
  });

  it('allows the pods of a namespace, and nothing else', async () => {
    server.rights.add('alice pods shop');
    expect(await access.allows(ALICE, SHOP)).toBe(true);
    expect(await access.allows(ALICE, { kind: 'pods', namespace: 'bank' })).toBe(false);
    expect(await access.allows(ALICE, NODES)).toBe(false);
    expect(await access.allows({ name: 'bob' }, SHOP)).toBe(false);
  });

  it('asks once for all namespaces where that is allowed', async () => {
    server.rights.add('alice pods *');
    for (const namespace of ['shop', 'bank']) {
      expect(await access.allows(ALICE, { kind: 'pods', namespace })).toBe(true);
    }
    expect(server.requests).toHaveLength(1);
    expect(await access.allows(ALICE, NODES)).toBe(false);
  });

  it('allows nothing to somebody unknown', async () => {
    expect(await access.allows(undefined, SHOP)).toBe(false);
    expect(server.requests).toEqual([]);
  });

  it('keeps answers apart by groups', async () => {
    await access.allows(ALICE, NODES);
    await access.allows({ ...ALICE, groups: ['others'] }, NODES);
    await access.allows(ALICE, NODES);
    expect(server.requests).toHaveLength(2);
  });

  it('says that it cannot be found out', async () => {
    server.fault = 'hangs';
    await expect(access.allows(ALICE, SHOP)).rejects.toMatchObject({
      name: 'CaptureAccessError',
      message: 'the Kubernetes API cannot be asked: it did not answer within 0.5 s',
    });
  });
});
