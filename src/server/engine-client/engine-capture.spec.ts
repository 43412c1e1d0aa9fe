import { jest } from '@jest/globals';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CaptureError } from '../../shared/protocol/capture-error.js';
import type { EngineEvent } from '../../shared/protocol/protocol.js';
import { ClientConnection } from '../http/client-connection.js';
import { EngineCapture } from './engine-capture.js';

const GREETING = 'the capture spec\n';
/** More than the socket and the read buffer hold together. */
const PLENTY = Buffer.alloc(4 * 1024 * 1024, 'packets ');
/** Less than a unix socket holds. */
const MAX_CHUNK_BYTES = 32 * 1024;
const ID = { captureId: 'brave-amber-otter' };
const STARTED = { type: 'started', ...ID, interfaces: 1, direct: true } as const;
const THE_END: Extract<EngineEvent, { type: 'ended' }> = {
  type: 'ended',
  ...ID,
  code: 'stopped',
  message: 'stopped',
  totals: { packets: 1, bytes: 2, dropped: 0 },
  direct: true,
  streamBytes: 3,
  interfaces: 2,
};

const CONTROLS = {
  stop: () => undefined,
  deliver: () => undefined,
  write: () => undefined,
  attach: () => undefined,
  detach: () => undefined,
  comment: () => undefined,
  onOver: () => undefined,
};

describe('EngineCapture', () => {
  const folder = mkdtempSync(join(tmpdir(), 'engine-capture-'));
  const path = join(folder, 'engine.sock');
  let server: Server;
  let capture: EngineCapture;
  let engine: Socket;

  beforeEach(async () => {
    server = createServer().listen(path);
    const connection = once(server, 'connection');
    capture = new EngineCapture({ path, greeting: GREETING, maxChunkBytes: MAX_CHUNK_BYTES }, CONTROLS);
    [engine] = (await connection) as [Socket];
    engine.on('error', () => undefined).resume();
    capture.onAccepted();
  });
  afterEach(async () => {
    engine.destroy();
    server.close();
    await once(server, 'close');
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const endOfEngine = (): void => {
    engine.end();
    capture.onEnded(THE_END);
  };

  it('reads little ahead of a reader of chunks', async () => {
    engine.write(PLENTY, endOfEngine);
    const chunks = capture.chunks[Symbol.asyncIterator]();
    await chunks.next();
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(engine.writableLength).toBeGreaterThan(0);
    let received = 0;
    for await (const chunk of { [Symbol.asyncIterator]: () => chunks }) received += chunk.length;
    expect(received).toBeGreaterThan(PLENTY.length - 128 * 1024);
    expect(await capture.end).toMatchObject({ code: 'stopped' });
  });

  it('ends when a reader of chunks leaves before the first one', async () => {
    const hungUp = new Promise((resolve) => engine.once('close', resolve));
    await capture.chunks[Symbol.asyncIterator]().return?.();
    await hungUp;
    expect((await capture.end).code).toBe('stopped');
  });

  it('delivers every byte to the reader of chunks, then ends', async () => {
    engine.write(PLENTY, endOfEngine);
    const chunks: Buffer[] = [];
    for await (const chunk of capture.chunks) chunks.push(Buffer.from(chunk));
    expect(Buffer.concat(chunks).equals(PLENTY)).toBe(true);
  });

  it('ends the loop of a reader whose capture is aborted while it has a chunk', async () => {
    const abort = new AbortController();
    capture.whenStarted(abort.signal).catch(() => undefined);
    engine.write(PLENTY);
    for await (const chunk of capture.chunks) {
      expect(chunk.length).toBeGreaterThan(0);
      abort.abort();
      await capture.end;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect((await capture.end).code).toBe('stopped');
  });

  it('rejects the start with the reason of the engine, though the stream ends first', async () => {
    const started = capture.whenStarted(new AbortController().signal);
    engine.end();
    await new Promise((resolve) => setTimeout(resolve, 50));
    capture.onRefused(new CaptureError('stale-reference', 'process 1 has ended'));
    await expect(started).rejects.toMatchObject({ code: 'stale-reference' });
  });

  it('does not fail when the acceptance is read right after the timeout, as after SIGSTOP', async () => {
    server.once('connection', (socket: Socket) => socket.on('error', () => undefined).resume());
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask', 'performance', 'Date'] });
    const late = new EngineCapture({ path, greeting: GREETING, maxChunkBytes: MAX_CHUNK_BYTES }, CONTROLS);
    jest.advanceTimersByTime(60_000);
    jest.useRealTimers();
    late.onAccepted();
    await new Promise((resolve) => setTimeout(resolve, 50));
    late.onStarted({ ...STARTED, direct: false });
    const abort = new AbortController();
    await late.whenStarted(abort.signal);
    abort.abort();
    await late.end;
  });

  describe('whose engine writes to the client', () => {
    let client: ClientConnection;
    let peer: Socket;
    const written: [text: string, last: boolean][] = [];

    beforeEach(async () => {
      [client, peer] = await clientAndPeer();
      expect(client.lend()).toEqual({
        descriptor: expect.any(Number) as number,
        framing: 'websocket',
        inode: expect.any(Number) as number,
      });
      written.length = 0;
      const write = (bytes: Buffer, last: boolean): void => void written.push([bytes.toString(), last]);
      server.once('connection', (socket: Socket) => socket.on('error', () => undefined).resume());
      capture = new EngineCapture(
        { path, greeting: GREETING, maxChunkBytes: MAX_CHUNK_BYTES, client },
        { ...CONTROLS, write },
      );
    });
    afterEach(() => {
      capture.onLost();
      client.destroy();
      peer.destroy();
    });

    it('passes bytes of this process on to the engine, one write at a time', async () => {
      client.write('ping 1');
      expect(written).toEqual([]);
      capture.onStarted(STARTED);
      expect(written).toEqual([['ping 1', false]]);
      client.write('ping 2');
      client.write('ping 3');
      capture.onWritten();
      await new Promise(setImmediate);
      expect(written).toEqual([
        ['ping 1', false],
        ['ping 2ping 3', false],
      ]);
      expect(client.socket.bytesWritten).toBe(0);
    });

    it('reports what the engine has sent', () => {
      capture.onStarted(STARTED);
      expect(capture.direct).toEqual({ streamBytes: 0, interfaces: 1 });
      capture.onProgress({
        ...ID,
        streamBytes: 100,
        sentBytes: 104,
        blocked: true,
        interfaces: 1,
        packets: 7,
        dropped: 2,
      });
      expect(capture.direct).toEqual({ streamBytes: 100, interfaces: 1, packets: 7, dropped: 2 });
      expect(client.acceptedBytes).toBe(104);
      expect(client.waitingBytes).toBe(1);
      capture.onEnded(THE_END);
      expect(capture.direct).toEqual({ streamBytes: 3, interfaces: 2, packets: 1, dropped: 0 });
      expect(client.waitingBytes).toBe(0);
    });

    it('writes what the engine did not write itself once it has ended', async () => {
      capture.onStarted(STARTED);
      client.write('the reason');
      capture.onEnded(THE_END);
      client.end(', closed');
      expect(await textOf(peer)).toBe('the reason, closed');
    });

    it.each([
      ['refused', () => capture.onRefused(new CaptureError('stale-reference', 'gone'))],
      ['not written directly', () => capture.onStarted({ ...STARTED, direct: false })],
      ['lost between two messages', () => capture.onLost()],
    ])('writes itself when the capture is %s', async (_, happens) => {
      capture.whenStarted(new AbortController().signal).catch(() => undefined);
      happens();
      client.end('closed');
      expect(await textOf(peer)).toBe('closed');
      expect(capture.direct).toBeUndefined();
    });

    it('lets the engine write a close frame when the capture is abandoned while it is being opened', async () => {
      const abort = new AbortController();
      const started = capture.whenStarted(abort.signal);
      abort.abort();
      await expect(started).rejects.toThrow(CaptureError);
      client.write('closed');
      capture.onStarted(STARTED);
      expect(written).toEqual([['closed', false]]);
      capture.onWritten();
      capture.onEnded(THE_END);
      client.end();
      expect(await textOf(peer)).toBe('');
    });

    it('asks the engine to stop opening a capture that is abandoned, again when the engine knows it', async () => {
      let stops = 0;
      server.once('connection', (socket: Socket) => socket.on('error', () => undefined).resume());
      const opening = new EngineCapture(
        { path, greeting: GREETING, maxChunkBytes: MAX_CHUNK_BYTES, client },
        { ...CONTROLS, stop: () => void stops++ },
      );
      const abort = new AbortController();
      opening.whenStarted(abort.signal).catch(() => undefined);
      abort.abort();
      expect(stops).toBe(1);
      opening.onAccepted();
      expect(stops).toBe(2);
      opening.onRefused(new CaptureError('internal', 'stopped'));
      client.end('closed');
      expect(await textOf(peer)).toBe('closed');
    });

    it('cuts the connection when the engine is lost within a message', async () => {
      capture.onStarted(STARTED);
      capture.onProgress({
        ...ID,
        streamBytes: 100,
        sentBytes: 50,
        blocked: true,
        interfaces: 1,
        packets: 0,
        dropped: 0,
      });
      client.write('closed');
      capture.onLost();
      expect(await textOf(peer)).toBe('');
      expect(client.destroyed).toBe(true);
    });
  });
});

async function clientAndPeer(): Promise<[ClientConnection, Socket]> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection');
  const peer = connect((server.address() as AddressInfo).port, '127.0.0.1');
  peer.on('error', () => undefined);
  const [socket] = (await accepted) as [Socket];
  server.close();
  return [new ClientConnection(socket), peer];
}

async function textOf(socket: Socket): Promise<string> {
  let text = '';
  for await (const chunk of socket) text += String(chunk);
  return text;
}
