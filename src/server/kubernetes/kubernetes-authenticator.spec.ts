import { Logger } from '@nestjs/common';
import type { IncomingMessage } from 'node:http';
import { KubernetesApiServer } from '../../../test/fixtures/kubernetes-api.js';
import { KubernetesApi } from './kubernetes-api.js';
import { KubernetesAuthenticator } from './kubernetes-authenticator.js';

const ALICE = { username: 'alice', groups: ['developers'], uid: '7', extra: { scopes: ['a'] } };

describe('KubernetesAuthenticator', () => {
  let server: KubernetesApiServer;
  let api: KubernetesApi;
  let authenticator: KubernetesAuthenticator;
  beforeEach(async () => {
    Logger.overrideLogger(false);
    server = await KubernetesApiServer.start();
    server.users.set('token-of-alice', ALICE);
    const { port, serviceAccountFolder } = server;
    api = new KubernetesApi({ host: '127.0.0.1', port, serviceAccountFolder, timeoutMs: 500 });
    authenticator = new KubernetesAuthenticator(api);
  });
  afterEach(async () => {
    api.close();
    await server[Symbol.asyncDispose]();
  });

  const authenticate = (...headers: string[]) =>
    authenticator.authenticate({
      headersDistinct: { ...(headers.length > 0 && { authorization: headers }) },
    } as unknown as IncomingMessage);

  it('knows the user of a token, with groups', async () => {
    expect(await authenticate('Bearer token-of-alice')).toEqual({
      user: { name: 'alice', groups: ['developers'], uid: '7', extra: { scopes: ['a'] } },
    });
  });

  it('asks once for those who come with the same token at the same time or shortly after', async () => {
    await Promise.all([1, 2, 3].map(() => authenticate('Bearer token-of-alice')));
    await authenticate('bearer  token-of-alice');
    await authenticate('Bearer unknown');
    await authenticate('Bearer unknown');
    expect(server.requests).toHaveLength(2);
  });

  it.each([
    ['no header', []],
    ['another scheme', ['Basic dXNlcjpwYXNzd29yZA==']],
    ['no token', ['Bearer ']],
    ['two headers', ['Bearer token-of-alice', 'Bearer token-of-alice']],
    ['a token that is too long', [`Bearer ${'a'.repeat(20_000)}`]],
    ['characters that tokens cannot have', ['Bearer "token"']],
  ])('refuses %s without asking', async (_, headers) => {
    expect(await authenticate(...headers)).toMatchObject({ refusal: { statusCode: 401 } });
    expect(server.requests).toEqual([]);
  });

  it('refuses a token that Kubernetes does not accept', async () => {
    expect(await authenticate('Bearer unknown')).toEqual({
      refusal: { statusCode: 401, code: 'unauthorized', message: 'Kubernetes does not accept this token' },
    });
  });

  it('refuses everybody while the API fails, and says why', async () => {
    server.fault = 'fails';
    expect(await authenticate('Bearer token-of-alice')).toEqual({
      refusal: {
        statusCode: 503,
        code: 'kubernetes-failed',
        message:
          'the Kubernetes API cannot be asked: it answered with status 500: etcdserver: request timed out',
      },
    });
    server.fault = 'none';
    expect(await authenticate('Bearer token-of-alice')).toMatchObject({ user: { name: 'alice' } });
  });
});
