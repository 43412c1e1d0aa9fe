import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TakePiece } from '../capture/capture-provider.js';
import { EngineCapture } from './engine-capture.js';

const GREETING = 'which capture it is for\n';
/** More than socket and read buffer hold together. */
const PLENTY = Buffer.alloc(4 * 1024 * 1024, 'packets ');
/** Less than a unix socket holds. */
const MOST_BYTES = 32 * 1024;
const THE_END = { code: 'stopped', message: 'as asked for' } as const;

describe('EngineCapture, handing pieces over', () => {
  const folder = mkdtempSync(join(tmpdir(), 'engine-capture-'));
  const path = join(folder, 'engine.sock');
  let server: Server;
  let capture: EngineCapture;
  let engine: Socket;

  beforeEach(async () => {
    server = createServer().listen(path);
    const connection = once(server, 'connection');
    capture = new EngineCapture(
      { path, greeting: GREETING, mostBytes: MOST_BYTES },
      { stop: () => undefined, over: () => undefined },
    );
    [engine] = (await connection) as [Socket];
    engine.on('error', () => undefined).resume();
  });
  afterEach(async () => {
    engine.destroy();
    server.close();
    await once(server, 'close');
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const endOfEngine = (): void => {
    engine.end();
    capture.ended(THE_END);
  };

  it('gives every byte, those that came before somebody took them included, and room before each', async () => {
    engine.write(PLENTY, endOfEngine);
    await new Promise((resolve) => setTimeout(resolve, 100));
    const pieces: Buffer[] = [];
    await capture.deliver((memory, start, end) => {
      memory.fill(0xff, start - 10, start);
      pieces.push(Buffer.from(memory.subarray(start, end)));
      return pieces.length % 2 === 0 || Promise.resolve(true);
    });
    expect(Buffer.concat(pieces).equals(PLENTY)).toBe(true);
    expect(Math.max(...pieces.map(({ length }) => length))).toBe(MOST_BYTES);
    expect(await capture.end).toMatchObject(THE_END);
  });

  it('waits while a piece is needed: neither is its memory used again nor anything read ahead', async () => {
    engine.write(PLENTY, endOfEngine);
    const kept = Promise.withResolvers<boolean>();
    const first = Promise.withResolvers<Buffer>();
    let taken = 0;
    const delivered = capture.deliver((memory, start, end) => {
      first.resolve(memory.subarray(start, end));
      taken += end - start;
      return kept.promise;
    });
    const piece = await first.promise;
    const before = Buffer.from(piece);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(taken).toBe(piece.length);
    expect(piece.equals(before)).toBe(true);
    expect(engine.writableLength).toBeGreaterThan(0);
    kept.resolve(true);
    await delivered;
    expect(taken).toBe(PLENTY.length);
  });

  it.each<[string, ReturnType<TakePiece>]>([
    ['at once', false],
    ['later', Promise.resolve(false)],
  ])('ends the capture when no more is wanted, said %s', async (_, answer) => {
    engine.write(PLENTY);
    const hungUp = new Promise((resolve) => engine.once('close', resolve));
    await capture.deliver(() => answer);
    await hungUp;
    expect((await capture.end).code).toBe('stopped');
  });
});
