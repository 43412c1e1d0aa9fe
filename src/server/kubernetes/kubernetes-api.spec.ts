import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { KubernetesApiServer } from '../../../test/fixtures/kubernetes-api.js';
import { KubernetesApi, KubernetesApiError } from './kubernetes-api.js';

const PODS = '/api/v1/pods';

describe('KubernetesApi', () => {
  let server: KubernetesApiServer;
  let api: KubernetesApi;
  beforeEach(async () => {
    server = await KubernetesApiServer.start();
    api = clientOf(server);
  });
  afterEach(async () => {
    api.close();
    await server[Symbol.asyncDispose]();
  });

  const failure = async (): Promise<KubernetesApiError> =>
    api.get(PODS).then(
      () => Promise.reject(new Error('it did not fail')),
      (error: unknown) => error as KubernetesApiError,
    );

  it('asks with the token of the service account, and trusts its certificate authority', async () => {
    expect(await api.get(PODS)).toEqual({ metadata: { resourceVersion: '1' }, items: [] });
  });

  it('reads the token again when the API does not accept it any more', async () => {
    await api.get(PODS);
    server.serviceToken = 'new-token';
    writeFileSync(join(server.serviceAccountFolder, 'token'), 'new-token\n');
    expect(await failure()).toMatchObject({ status: 401 });
    expect(await api.get(PODS)).toMatchObject({ items: [] });
  });

  it('does not talk to a server with a certificate of another authority', async () => {
    await using other = await KubernetesApiServer.start();
    api.close();
    api = new KubernetesApi({
      host: '127.0.0.1',
      port: other.port,
      serviceAccountFolder: server.serviceAccountFolder,
    });
    expect((await failure()).message).toBe('the connection failed (DEPTH_ZERO_SELF_SIGNED_CERT)');
    expect(other.requests).toEqual([]);
  });

  it.each([
    ['fails', 500, 'it answered with status 500: etcdserver: request timed out'],
    ['garbage', undefined, 'its answer is not JSON'],
    ['hangs', undefined, 'it did not answer within 0.5 s'],
    ['forbids', 403, 'it answered with status 403: pods is forbidden'],
  ] as const)('says what is wrong when the API %s', async (fault, status, message) => {
    server.fault = fault;
    const error = await failure();
    expect(error).toBeInstanceOf(KubernetesApiError);
    expect(error).toMatchObject({ message, status });
  });

  it('says that the API cannot be reached, and reaches it when it is back', async () => {
    await api.get(PODS);
    await server.stop();
    expect((await failure()).message).toBe('the connection failed (ECONNREFUSED)');
    await server.restart();
    expect(await api.get(PODS)).toMatchObject({ items: [] });
  });

  it('says that there is no service account', async () => {
    api = new KubernetesApi({ host: '127.0.0.1', port: server.port, serviceAccountFolder: '/nonexistent' });
    expect((await failure()).message).toMatch(/^the service account of this pod cannot be read \(ENOENT\)/);
  });

  it('cuts a watch in which nothing comes', async () => {
    const signal = new AbortController().signal;
    const onBegun = (): void => undefined;
    const events = api.watch(`${PODS}?watch=1`, { idleMs: 100, signal, onBegun });
    await expect(events.next()).rejects.toThrow('nothing came for 0.1 s');
  });
});

function clientOf({ port, serviceAccountFolder }: KubernetesApiServer): KubernetesApi {
  return new KubernetesApi({ host: '127.0.0.1', port, serviceAccountFolder, timeoutMs: 500 });
}
