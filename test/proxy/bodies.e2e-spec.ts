import { createHash, randomBytes } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../kit/eventually.js';
import { proxyForAllTests } from './kit/proxy-under-test.js';
import { RawConnection } from '../kit/raw-connection.js';

const PIECE = randomBytes(1024 * 1024);
const PIECES = 40;
/** Much more than needed, because the machine may be busy. */
const TIMEOUT_MS = 30_000;

describe('The proxy forwards bodies', () => {
  const proxy = proxyForAllTests();

  function* pieces() {
    for (let count = 0; count < PIECES; count++) yield PIECE;
  }
  function* endless() {
    for (;;) yield PIECE;
  }
  const expected = createHash('sha256');
  for (const piece of pieces()) expected.update(piece);
  const digest = expected.digest('hex');

  async function digestOf(stream: AsyncIterable<Buffer>): Promise<string> {
    const hash = createHash('sha256');
    for await (const piece of stream) hash.update(piece);
    return hash.digest('hex');
  }

  it.each([
    ['chunked', {}],
    ['of known length', { 'content-length': String(PIECES * PIECE.length) }],
  ])(
    'of uploads of 40 MiB, %s',
    async (_, headers) => {
      const { upstream } = proxy.current;
      upstream.answer = (request, response) => void digestOf(request).then((hash) => response.end(hash));
      const upload = httpRequest(proxy.current.url('/discover/upload'), {
        method: 'POST',
        headers,
        agent: false,
      });
      const answered = once(upload, 'response') as Promise<[IncomingMessage]>;
      await pipeline(Readable.from(pieces()), upload);
      expect(await text((await answered)[0])).toBe(digest);
      expect(upstream.requests[0]?.headers).toMatchObject(
        'content-length' in headers ? headers : { 'transfer-encoding': 'chunked' },
      );
    },
    TIMEOUT_MS,
  );

  it.each([
    ['chunked', {}],
    ['of known length', { 'content-length': String(PIECES * PIECE.length) }],
  ])(
    'of downloads of 40 MiB, %s',
    async (_, headers) => {
      proxy.current.upstream.answer = (_request, response) => {
        response.writeHead(200, headers);
        Readable.from(pieces()).pipe(response);
      };
      const download = await fetch(proxy.current.url('/download'));
      expect(download.headers.get('content-length')).toBe(
        'content-length' in headers ? headers['content-length'] : null,
      );
      expect(await digestOf(Readable.fromWeb(download.body as never))).toBe(digest);
    },
    TIMEOUT_MS,
  );

  it('and pauses the upstream while the client does not read', async () => {
    let sent = 0;
    proxy.current.upstream.answer = (_request, response) => {
      response.on('error', () => undefined);
      const source = Readable.from(endless());
      source.on('data', (piece: Buffer) => (sent += piece.length));
      source.pipe(response);
      response.once('close', () => source.destroy());
    };
    using connection = RawConnection.open(proxy.current.server.port, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    connection.socket.pause();
    await delay(500);
    const soon = sent;
    await delay(300);
    expect(sent).toBe(soon);
    expect(sent).toBeLessThan(40_000_000);
  });

  it('of unknown length to HTTP/1.0 clients', async () => {
    proxy.current.upstream.answer = (_request, response) => {
      response.writeHead(200, { trailer: 'X-Sum' });
      response.write('one ');
      response.addTrailers({ 'x-sum': '2' });
      response.end('two');
    };
    using connection = RawConnection.open(proxy.current.server.port, 'GET / HTTP/1.0\r\n\r\n');
    expect(await connection.textUntilEnd()).toMatch(/^HTTP\/1\.1 200 [^]*\r\n\r\none two$/);
    expect(connection.text).not.toMatch(/chunked|trailer/i);
  });

  it('that end with their connection', async () => {
    proxy.current.upstream.answer = ({ socket }) => socket.end('HTTP/1.0 200 OK\r\n\r\nall of it');
    expect(await (await fetch(proxy.current.url('/'))).text()).toBe('all of it');
  });

  it.each([
    ['HEAD', 200],
    ['GET', 204],
    ['GET', 304],
  ])('and responses without a body: %s, %d', async (method, status) => {
    const headers = ['ETag: "x"', 'Trailer: X-Sum', 'Transfer-Encoding: chunked'].join('\r\n');
    proxy.current.upstream.answer = ({ socket }) => socket.end(`HTTP/1.1 ${status} x\r\n${headers}\r\n\r\n`);
    const answer = await fetch(proxy.current.url('/'), { method });
    expect(answer.status).toBe(status);
    expect(answer.headers.get('etag')).toBe('"x"');
    expect(await answer.text()).toBe('');
  });

  it('and trailers in both directions, except dangerous ones', async () => {
    const { upstream } = proxy.current;
    upstream.answer = (request, response) => {
      response.writeHead(200, { trailer: 'X-Sum' });
      request.resume().once('end', () => {
        response.write('body');
        response.addTrailers({ 'x-sum': String(request.trailers['x-up']) });
        response.end();
      });
    };
    const upload = httpRequest(proxy.current.url('/discover/x'), {
      method: 'POST',
      headers: { 'transfer-encoding': 'chunked', trailer: 'X-Up', te: 'trailers' },
    });
    upload.write('body');
    upload.addTrailers({
      'x-up': 'caf\xe9',
      'enable-monolith': 'no',
      host: 'evil.example',
    });
    upload.end();
    const [answer] = (await once(upload, 'response')) as [IncomingMessage];
    expect(await text(answer)).toBe('body');
    expect(answer.headers.trailer).toBe('X-Sum');
    expect(answer.trailers).toEqual({ 'x-sum': 'caf\xe9' });
    expect(upstream.requests[0]?.headers.trailer).toBe('X-Up');
    expect(upstream.requests[0]?.trailers).toEqual({ 'x-up': 'caf\xe9' });
  });

  it('of server-sent events one by one, and the headers before the first event', async () => {
    let send: (event: string) => void = () => undefined;
    proxy.current.upstream.answer = (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
      send = (event) => response.write(`data: ${event}\n\n`);
    };
    const abort = new AbortController();
    const events = await fetch(proxy.current.url('/discover/events'), { signal: abort.signal });
    expect(events.headers.get('content-type')).toBe('text/event-stream');
    const reader = (events.body as ReadableStream<Uint8Array>).getReader();
    for (const event of ['one', 'two']) {
      send(event);
      expect(Buffer.from((await reader.read()).value ?? []).toString()).toBe(`data: ${event}\n\n`);
    }
    abort.abort();
    await eventually('the upstream connection to end', () => proxy.current.upstream.sockets.size === 0);
  });

  it('of responses that arrive before the end of the upload', async () => {
    proxy.current.upstream.answer = (_request, response) => {
      response.writeHead(413).end('too much');
    };
    using connection = RawConnection.open(
      proxy.current.server.port,
      'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nbeginning',
    );
    await eventually('the answer', () => connection.text.includes('too much'));
    expect(connection.text).toMatch(/^HTTP\/1\.1 413 /);
  });
});
