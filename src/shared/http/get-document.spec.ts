import { once } from 'node:events';
import { Agent, createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTcpServer, type AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { DocumentError, getDocument, type DocumentRequest } from './get-document.js';

describe('getDocument', () => {
  let server: Server | undefined;
  afterEach(() => {
    server?.close();
    server?.closeAllConnections();
    server = undefined;
  });

  async function serve(answer: RequestListener): Promise<DocumentRequest> {
    server = createServer(answer).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    return { address: { host: '127.0.0.1', port }, path: '/x', timeoutMs: 5_000, maxBodyBytes: 10 };
  }

  async function failureOf(request: DocumentRequest): Promise<DocumentError> {
    const error = await getDocument(request).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(DocumentError);
    return error as DocumentError;
  }

  it('returns body and headers', async () => {
    const request = await serve((_, response) => response.setHeader('x-version', '1').end('0123456789'));
    expect(await getDocument(request)).toMatchObject({ body: '0123456789', headers: { 'x-version': '1' } });
  });

  it('returns an empty body for HEAD', async () => {
    const request = await serve((_, response) => response.setHeader('content-length', 1000).end());
    expect(await getDocument({ ...request, method: 'HEAD', maxBodyBytes: 0 })).toMatchObject({ body: '' });
  });

  it.each<[string, RequestListener, Partial<DocumentRequest>, object]>([
    ['another status', (_, response) => response.writeHead(204).end(), {}, { reason: 'status', status: 204 }],
    ['a body over the limit', (_, response) => response.end('01234567890'), {}, { reason: 'too-large' }],
    ['no answer in time', () => undefined, { timeoutMs: 50 }, { reason: 'timeout' }],
    [
      'a connection that closes before the answer',
      (request) => request.socket.destroy(),
      {},
      { reason: 'broken', code: 'ECONNRESET' },
    ],
    [
      'a connection that closes in the body',
      (_, response) => void response.write('01', () => response.destroy()),
      {},
      { reason: 'broken', code: 'ECONNRESET' },
    ],
  ])('reports %s', async (_, answer, options, facts) => {
    const request = await serve(answer);
    expect(await failureOf({ ...request, ...options })).toMatchObject({ connected: true, ...facts });
  });

  it('reports that there is no server', async () => {
    const request = await serve(() => undefined);
    server!.close();
    await once(server!, 'close');
    const unreachable = { reason: 'unreachable', connected: false };
    expect(await failureOf(request)).toMatchObject({ ...unreachable, code: 'ECONNREFUSED' });
    const address = { socketPath: '/nonexistent/x.sock' };
    expect(await failureOf({ ...request, address })).toMatchObject({ ...unreachable, code: 'ENOENT' });
  });

  it.each(['before the answer', 'in the body', 'before the request'])('reports an abort %s', async (when) => {
    const abort = new AbortController();
    const reason = new Error('no longer needed');
    const request = await serve((_, response) => {
      if (when === 'in the body') response.write('01');
      setTimeout(() => abort.abort(reason), 20);
    });
    if (when === 'before the request') abort.abort(reason);
    const failure = await failureOf({ ...request, signal: abort.signal });
    expect(failure).toMatchObject({ reason: 'aborted' });
    expect(failure.cause).toBe(reason);
  });

  it('reports a kept connection that closes as broken, not as unreachable', async () => {
    let requests = 0;
    const request = await serve((incoming, response) => {
      requests += 1;
      if (requests === 1) response.end('first');
      else incoming.socket.destroy();
    });
    const agent = new Agent({ keepAlive: true });
    try {
      expect((await getDocument({ ...request, agent })).body).toBe('first');
      expect(await failureOf({ ...request, agent })).toMatchObject({ reason: 'broken', connected: true });
    } finally {
      agent.destroy();
    }
  });

  it('survives a reset after the answer', async () => {
    const tcp = createTcpServer((socket) => {
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok', () => socket.resetAndDestroy());
      });
    }).listen(0, '127.0.0.1');
    await once(tcp, 'listening');
    const { port } = tcp.address() as AddressInfo;
    const outcome = await getDocument({
      address: { host: '127.0.0.1', port },
      path: '/',
      maxBodyBytes: 10,
    }).catch((error: unknown) => error);
    await new Promise((resolve) => setTimeout(resolve, 50));
    tcp.close();
    // The reset may overtake the body; what matters is that neither outcome is an unhandled error.
    if (outcome instanceof Error) expect(outcome).toMatchObject({ reason: 'broken' });
    else expect(outcome).toMatchObject({ body: 'ok' });
  });
});
