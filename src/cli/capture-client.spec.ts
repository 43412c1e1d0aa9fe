import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocketServer, type WebSocket } from 'ws';
import { CaptureClient, reportEnd, type CaptureEnd } from './capture-client.js';
import { openOutput, StreamOutput } from './packet-output.js';
import { PacketCounter } from './progress.js';

describe('CaptureClient', () => {
  let server: WebSocketServer;
  let url: URL;

  beforeEach(async () => {
    server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    await once(server, 'listening');
    url = new URL(`ws://127.0.0.1:${(server.address() as AddressInfo).port}/capture`);
  });
  afterEach(() => {
    for (const client of server.clients) client.terminate();
    server.close();
  });

  function serve(handle: (socket: WebSocket) => void): void {
    server.on('connection', handle);
  }

  function capture(output = openOutput(undefined)): CaptureClient {
    return new CaptureClient({ url, headers: {} }, output, new PacketCounter());
  }

  function statusOf(end: CaptureEnd): { status: number; said: string } {
    const screen = new PassThrough({ encoding: 'utf8' });
    const status = reportEnd(end, screen);
    return { status, said: (screen.read() as string | null) ?? '' };
  }

  it('writes the stream unchanged, up to the last byte before the close', async () => {
    serve((socket) => {
      for (const chunk of ['one', 'two', 'three']) socket.send(Buffer.from(chunk));
      socket.send('text is no part of a capture');
      socket.close(1000, 'the target has ended');
    });
    const chunks: Buffer[] = [];
    const sink = new Writable({ write: (chunk: Buffer, _, done) => (chunks.push(chunk), done()) });
    const end = await capture(new StreamOutput(() => sink)).wait();
    expect(Buffer.concat(chunks).toString()).toBe('onetwothree');
    expect(statusOf(end)).toEqual({
      status: 0,
      said: 'the service ended the capture (1000): the target has ended\n',
    });
  });

  it('reports code and reason of a refusal, with status 1', async () => {
    serve((socket) => socket.close(4404, 'no network namespace 7'));
    expect(statusOf(await capture().wait())).toEqual({
      status: 1,
      said: 'the service ended the capture (4404): no network namespace 7\n',
    });
  });

  it.each([
    [
      401,
      { 'WWW-Authenticate': 'Bearer' },
      'a token is needed',
      /HTTP status 401, a token is needed; give a valid token/,
    ],
    [403, {}, 'not in namespace shop', /HTTP status 403, not in namespace shop\n$/],
  ])('reports a refusal before the upgrade (%d), with status 1', async (status, headers, message, text) => {
    const refusing = createServer().on('upgrade', (_, socket) => {
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
      socket.end(
        `HTTP/1.1 ${status} No\r\n${lines.join('')}Connection: close\r\n\r\n${JSON.stringify({ message })}`,
      );
    });
    await once(refusing.listen(0, '127.0.0.1'), 'listening');
    url.port = String((refusing.address() as AddressInfo).port);
    const { status: exit, said } = statusOf(await capture().wait());
    refusing.close();
    expect(exit).toBe(1);
    expect(said).toMatch(text);
  });

  it('sends its headers', async () => {
    const seen = Promise.withResolvers<string | undefined>();
    server.on('connection', (socket, { headers }) => {
      seen.resolve(headers.authorization);
      socket.close(1000);
    });
    const access = { url, headers: { Authorization: 'Bearer abc' } };
    await new CaptureClient(access, openOutput(undefined), new PacketCounter()).wait();
    expect(await seen.promise).toBe('Bearer abc');
  });

  it('reports a broken connection, with status 1', async () => {
    serve((socket) => socket.terminate());
    expect(statusOf(await capture().wait())).toEqual({ status: 1, said: 'the connection broke (1006)\n' });
  });

  it('reports that nothing listens, with status 1', async () => {
    server.close();
    const { status, said } = statusOf(await capture().wait());
    expect(status).toBe(1);
    expect(said).toMatch(/ECONNREFUSED.*Is the service running/);
  });

  it('closes with 1000 when stopped and writes the data that still arrives', async () => {
    const closed = Promise.withResolvers<number>();
    serve((socket) => {
      socket.send(Buffer.from('first'));
      socket.on('close', closed.resolve);
    });
    const chunks: Buffer[] = [];
    const sink = new Writable({ write: (chunk: Buffer, _, done) => (chunks.push(chunk), done()) });
    const client = capture(new StreamOutput(() => sink));
    client.onOpen(() => setTimeout(() => client.stop(), 50));
    expect(statusOf(await client.wait())).toEqual({ status: 0, said: '' });
    expect(await closed.promise).toBe(1000);
    expect(Buffer.concat(chunks).toString()).toBe('first');
  });

  it('can be stopped before it is connected', async () => {
    const client = capture();
    client.stop();
    expect(statusOf(await client.wait()).status).toBe(0);
  });

  it('reads no faster than its output accepts the stream', async () => {
    const CHUNKS = 64;
    const chunk = Buffer.alloc(1024 * 1024);
    let service: WebSocket | undefined;
    serve((socket) => {
      service = socket;
      for (let count = 0; count < CHUNKS; count += 1) socket.send(chunk);
      socket.close(1000);
    });
    let release = (): void => {};
    const stalled = new Promise<void>((resolve) => (release = resolve));
    let written = 0;
    const sink = new Writable({
      write: (bytes: Buffer, _, done) => {
        written += bytes.length;
        void stalled.then(() => done());
      },
    });
    const client = capture(new StreamOutput(() => sink));
    await sleep(500);
    // What the kernel's socket buffers do not hold stays with the service.
    expect(service?.bufferedAmount).toBeGreaterThan(32 * chunk.length);
    release();
    await client.wait();
    expect(written).toBe(CHUNKS * chunk.length);
  });

  it('ends the capture when the program that reads its output has ended, even if nothing is written', async () => {
    const closed = Promise.withResolvers<number>();
    serve((socket) => socket.on('close', closed.resolve));
    const sink = new Writable({ write: (_, __, done) => done() });
    const output = new StreamOutput(() => sink);
    output.write(new Uint8Array(0));
    const client = capture(output);
    client.onOpen(() => sink.destroy());
    expect(statusOf(await client.wait())).toEqual({ status: 0, said: '' });
    expect(await closed.promise).toBe(1000);
  });

  it.each([
    ['EPIPE', 0, ''],
    ['ENOSPC', 1, 'cannot write: no room\n'],
  ])('ends the capture when its output fails with %s', async (code, status, said) => {
    const closed = Promise.withResolvers<number>();
    serve((socket) => {
      socket.send(Buffer.from('packets'));
      socket.on('close', closed.resolve);
    });
    const sink = new Writable({
      write: (_, __, done) => done(Object.assign(new Error('no room'), { code })),
    });
    expect(statusOf(await capture(new StreamOutput(() => sink)).wait())).toEqual({ status, said });
    expect(await closed.promise).toBe(1000);
  });
});
