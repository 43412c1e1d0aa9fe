import { jest } from '@jest/globals';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CaptureError } from '../../shared/protocol/capture-error.js';
import type { TakePiece } from '../capture/capture-provider.js';
import { EngineCapture } from './engine-capture.js';

const GREETING = 'the capture spec\n';
/** More than the socket and the read buffer hold together. */
const PLENTY = Buffer.alloc(4 * 1024 * 1024, 'packets ');
/** Less than a unix socket holds. */
const MAX_CHUNK_BYTES = 32 * 1024;
const THE_END = { code: 'stopped', message: 'stopped' } as const;

describe('EngineCapture', () => {
  const folder = mkdtempSync(join(tmpdir(), 'engine-capture-'));
  const path = join(folder, 'engine.sock');
  let server: Server;
  let capture: EngineCapture;
  let engine: Socket;

  beforeEach(async () => {
    server = createServer().listen(path);
    const connection = once(server, 'connection');
    capture = new EngineCapture(
      { path, greeting: GREETING, maxChunkBytes: MAX_CHUNK_BYTES },
      { stop: () => undefined, onOver: () => undefined },
    );
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

  it('delivers every byte, including those that arrived before the delivery began, with room before each chunk', async () => {
    engine.write(PLENTY, endOfEngine);
    await new Promise((resolve) => setTimeout(resolve, 100));
    const chunks: Buffer[] = [];
    await capture.deliver((memory, start, end) => {
      memory.fill(0xff, start - 10, start);
      chunks.push(Buffer.from(memory.subarray(start, end)));
      return chunks.length % 2 === 0 || Promise.resolve(true);
    });
    expect(Buffer.concat(chunks).equals(PLENTY)).toBe(true);
    expect(Math.max(...chunks.map(({ length }) => length))).toBe(MAX_CHUNK_BYTES);
    expect(await capture.end).toMatchObject(THE_END);
  });

  it('waits while a chunk is in use: its memory is not reused and nothing is read ahead', async () => {
    engine.write(PLENTY, endOfEngine);
    const kept = Promise.withResolvers<boolean>();
    const first = Promise.withResolvers<Buffer>();
    let taken = 0;
    const delivered = capture.deliver((memory, start, end) => {
      first.resolve(memory.subarray(start, end));
      taken += end - start;
      return kept.promise;
    });
    const chunk = await first.promise;
    const before = Buffer.from(chunk);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(taken).toBe(chunk.length);
    expect(chunk.equals(before)).toBe(true);
    expect(engine.writableLength).toBeGreaterThan(0);
    kept.resolve(true);
    await delivered;
    expect(taken).toBe(PLENTY.length);
  });

  it.each<[string, ReturnType<TakePiece>]>([
    ['synchronously', false],
    ['later', Promise.resolve(false)],
  ])('ends the capture when no more chunks are wanted, decided %s', async (_, answer) => {
    engine.write(PLENTY);
    const hungUp = new Promise((resolve) => engine.once('close', resolve));
    await capture.deliver(() => answer);
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
    const late = new EngineCapture(
      { path, greeting: GREETING, maxChunkBytes: MAX_CHUNK_BYTES },
      { stop: () => undefined, onOver: () => undefined },
    );
    jest.advanceTimersByTime(60_000);
    jest.useRealTimers();
    late.onAccepted();
    await new Promise((resolve) => setTimeout(resolve, 50));
    late.onStarted();
    const abort = new AbortController();
    await late.whenStarted(abort.signal);
    abort.abort();
    await late.end;
  });
});
