import { once } from 'node:events';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { CaptureProvider, type Capture } from '../../src/server/capture/capture-provider.js';
import { EngineCaptureProvider } from '../../src/server/engine-client/engine-capture-provider.js';
import { Engine } from '../kit/engine.js';
import { eventually } from '../kit/eventually.js';
import { FrameReader } from '../kit/frame-reader.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { handshake, RawConnection } from '../kit/raw-connection.js';
import { describeAsRoot } from '../kit/root.js';
import { ServerUnderTest, scriptedCapture } from './server-under-test.js';

/** Opcodes of RFC 6455, section 5.2. */
const CONTINUATION = 0x0;
const TEXT = 0x1;
const BINARY = 0x2;
const CLOSE = 0x8;
const PING = 0x9;
const PONG = 0xa;

const FIN = 0x80;
const RSV1 = 0x40;
const RSV2 = 0x20;
const RSV3 = 0x10;
const MASKED = 0x80;
const MASK = [0x12, 0x34, 0x56, 0x78];

interface FrameOptions {
  /** FIN and RSV bits; default: FIN. */
  readonly flags?: number;
  readonly masked?: boolean;
  /** The length in the header and the size of that field; default: the actual length in the shortest encoding. */
  readonly claimedLength?: readonly [length: number, bytes: 1 | 2 | 8];
}

/** A frame of a client, which may be invalid. */
function frame(opcode: number, payload: string | readonly number[] = '', options: FrameOptions = {}): Buffer {
  const { flags = FIN, masked = true } = options;
  const data = typeof payload === 'string' ? Buffer.from(payload) : Buffer.from(payload);
  const shortest = data.length < 126 ? 1 : data.length < 65_536 ? 2 : 8;
  const [length, lengthBytes] = options.claimedLength ?? [data.length, shortest];
  const head = Buffer.alloc(1 + lengthBytes + (lengthBytes === 1 ? 0 : 1));
  head[0] = flags | opcode;
  head[1] = (masked ? MASKED : 0) | (lengthBytes === 1 ? length : lengthBytes === 2 ? 126 : 127);
  if (lengthBytes === 2) head.writeUInt16BE(length, 2);
  if (lengthBytes === 8) head.writeBigUInt64BE(BigInt(length), 2);
  const body = masked ? data.map((byte, at) => byte ^ (MASK[at % 4] ?? 0)) : data;
  return Buffer.concat([head, ...(masked ? [Buffer.from(MASK)] : []), body]);
}

function close(code?: number, reason: string | readonly number[] = ''): Buffer {
  const text = Buffer.from(typeof reason === 'string' ? Buffer.from(reason) : reason);
  return frame(CLOSE, code === undefined ? [...text] : [code >> 8, code & 0xff, ...text]);
}

const A_KIB = 'x'.repeat(1024);
const NOT_UTF8 = [0xc3, 0x28];

/** The control frames from the service, as `pong:data` or `close:code`. */
function answers(received: Buffer): string[] {
  const frames: string[] = [];
  const reader = new FrameReader(({ type, payload }) => {
    if (type === 'pong') frames.push(`pong:${payload.toString()}`);
    if (type === 'close') frames.push(payload.length >= 2 ? `close:${payload.readUInt16BE(0)}` : 'close');
  });
  reader.push(received);
  return frames;
}

/** A server for the tests, and what a client requests of it. */
interface Setting extends AsyncDisposable {
  readonly server: ServerUnderTest;
  readonly target: string;
}

/** Counts how often captures are started and stopped. */
class StopCounter extends CaptureProvider {
  starts = 0;
  stops = 0;

  constructor(private readonly provider: Pick<CaptureProvider, 'open'>) {
    super();
  }

  override async open(...args: Parameters<CaptureProvider['open']>): Promise<Capture> {
    const capture = await this.provider.open(...args);
    this.starts++;
    const stop = capture.stop.bind(capture);
    return Object.assign(capture, { stop: () => (this.stops++, stop()) });
  }
}

const stopCounter = { current: new StopCounter({ open: () => Promise.reject(new Error('not set')) }) };

async function startServer(provider: Pick<CaptureProvider, 'open'>): Promise<ServerUnderTest> {
  stopCounter.current = new StopCounter(provider);
  return await ServerUnderTest.start(stopCounter.current);
}

/** The server sends what a provider in its own process delivers. */
async function withProvider(): Promise<Setting> {
  const server = await startServer({ open: () => Promise.resolve(scriptedCapture([])) });
  return { server, target: '/capture?netns=5', [Symbol.asyncDispose]: () => server.close() };
}

/** An engine writes to the sockets of clients. */
async function withEngine(): Promise<Setting> {
  await using made = new AsyncDisposableStack();
  const namespace = made.use(await NetworkNamespace.create());
  await namespace.addWire('eth0', 'eth1');
  const engine = made.use(await Engine.start());
  const provider = new EngineCaptureProvider({ engineSockets: [engine.socket] });
  provider.onModuleInit();
  made.defer(() => provider.onApplicationShutdown());
  const server = await startServer(provider);
  made.defer(() => server.close());
  const all = made.move();
  return {
    server,
    target: `/capture?netns=${namespace.inode}`,
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

describe('The server, receiving websocket frames during a capture of a provider,', () =>
  testFrames(withProvider));
describeAsRoot('The server, receiving websocket frames while an engine writes to the client,', () =>
  testFrames(withEngine),
);

function testFrames(create: () => Promise<Setting>): void {
  let setting: Setting;
  let server: ServerUnderTest;
  beforeAll(async () => {
    setting = await create();
    ({ server } = setting);
  });
  afterAll(() => setting[Symbol.asyncDispose]());
  beforeEach(() => void Object.assign(stopCounter.current, { starts: 0, stops: 0 }));

  const upgraded = (): Promise<RawConnection> =>
    RawConnection.upgraded(server.port, handshake(setting.target));

  /** Sends frames, followed by a ping that the service answers if it has not closed the websocket. */
  async function answersTo(...frames: readonly Buffer[]): Promise<string[]> {
    using connection = await upgraded();
    connection.send(...frames, frame(PING, 'still there?'));
    await connection.until((received) => answers(received).some((each) => /^close|still there/.test(each)));
    return answers(connection.received);
  }

  const staysOpen = 'pong:still there?';
  const tooBig = 'close:1009';
  const badFrame = 'close:1002';
  const badText = 'close:1007';
  const tooManyFragments = 'close:1008';

  it.each<[string, Buffer[], string[]]>([
    // Valid frames, whose payload is ignored.
    ['text', [frame(TEXT, 'hello')], [staysOpen]],
    ['binary data', [frame(BINARY, [0, 255])], [staysOpen]],
    ['an empty message', [frame(TEXT)], [staysOpen]],
    ['1 KiB', [frame(BINARY, A_KIB)], [staysOpen]],
    ['many messages at once', Array.from({ length: 100 }, () => frame(TEXT, A_KIB)), [staysOpen]],
    ['a fragmented message', [frame(TEXT, 'a', { flags: 0 }), frame(CONTINUATION, 'b')], [staysOpen]],
    [
      'a message with empty fragments',
      [frame(TEXT, '', { flags: 0 }), frame(CONTINUATION, '', { flags: 0 }), frame(CONTINUATION)],
      [staysOpen],
    ],
    [
      'a character in two fragments',
      [frame(TEXT, [0xc3], { flags: 0 }), frame(CONTINUATION, [0xa4])],
      [staysOpen],
    ],
    ['a ping', [frame(PING)], ['pong:', staysOpen]],
    ['a ping with 125 bytes', [frame(PING, 'p'.repeat(125))], [`pong:${'p'.repeat(125)}`, staysOpen]],
    ['an unsolicited pong', [frame(PONG, 'well')], [staysOpen]],
    [
      'a ping within a message',
      [frame(TEXT, 'a', { flags: 0 }), frame(PING, 'in between'), frame(CONTINUATION, 'b')],
      ['pong:in between', staysOpen],
    ],
    ['a length in two bytes instead of one', [frame(TEXT, 'ab', { claimedLength: [2, 2] })], [staysOpen]],
    ['a length in eight bytes instead of one', [frame(TEXT, 'ab', { claimedLength: [2, 8] })], [staysOpen]],

    // Messages above the limit.
    ['1 KiB and a byte', [frame(BINARY, `${A_KIB}x`)], [tooBig]],
    [
      'a message of more than 16384 fragments',
      [
        frame(TEXT, '', { flags: 0 }),
        ...Array.from({ length: 16_384 }, () => frame(CONTINUATION, '', { flags: 0 })),
      ],
      [tooManyFragments],
    ],
    [
      'a message whose fragments exceed the limit together',
      [frame(TEXT, A_KIB, { flags: 0 }), frame(CONTINUATION, 'x')],
      [tooBig],
    ],
    ['the header of a frame of 4 GiB', [frame(BINARY, '', { claimedLength: [2 ** 32, 8] })], [tooBig]],
    [
      'the header of a frame of 2⁵³ bytes',
      [frame(BINARY, '', { claimedLength: [Number.MAX_SAFE_INTEGER + 1, 8] })],
      [tooBig],
    ],

    // Protocol violations.
    [
      'the first reserved bit, since compression is not negotiated',
      [frame(TEXT, 'a', { flags: FIN | RSV1 })],
      [badFrame],
    ],
    ['the second reserved bit', [frame(TEXT, 'a', { flags: FIN | RSV2 })], [badFrame]],
    ['the third reserved bit', [frame(TEXT, 'a', { flags: FIN | RSV3 })], [badFrame]],
    ['a reserved bit in a ping', [frame(PING, '', { flags: FIN | RSV1 })], [badFrame]],
    ...[0x3, 0x4, 0x5, 0x6, 0x7].map((opcode): [string, Buffer[], string[]] => [
      `the reserved data opcode ${opcode}`,
      [frame(opcode, 'a')],
      [badFrame],
    ]),
    ...[0xb, 0xc, 0xd, 0xe, 0xf].map((opcode): [string, Buffer[], string[]] => [
      `the reserved control opcode ${opcode}`,
      [frame(opcode)],
      [badFrame],
    ]),
    ['text without a mask', [frame(TEXT, 'a', { masked: false })], [badFrame]],
    ['a ping without a mask', [frame(PING, '', { masked: false })], [badFrame]],
    ['a close without a mask', [frame(CLOSE, [3, 232], { masked: false })], [badFrame]],
    ['a fragmented ping', [frame(PING, 'a', { flags: 0 })], [badFrame]],
    ['a fragmented pong', [frame(PONG, 'a', { flags: 0 })], [badFrame]],
    ['a fragmented close', [frame(CLOSE, [3, 232], { flags: 0 })], [badFrame]],
    ['a ping with 126 bytes', [frame(PING, 'p'.repeat(126))], [badFrame]],
    ['a close with 126 bytes', [close(1000, 'r'.repeat(124))], [badFrame]],
    ['a final continuation frame without a message', [frame(CONTINUATION, 'a')], [badFrame]],
    ['a continuation frame without a message', [frame(CONTINUATION, 'a', { flags: 0 })], [badFrame]],
    ['a message within a message', [frame(TEXT, 'a', { flags: 0 }), frame(TEXT, 'b')], [badFrame]],
    ['text that is not UTF-8', [frame(TEXT, NOT_UTF8)], [badText]],
    [
      'fragmented text that is not UTF-8',
      [frame(TEXT, NOT_UTF8, { flags: 0 }), frame(CONTINUATION)],
      [badText],
    ],

    // Close frames.
    ['a close without a code', [close()], ['close']],
    ...[1000, 1001, 1003, 1007, 1011, 1014, 3000, 3999, 4000, 4999].map(
      (code): [string, Buffer[], string[]] => [
        `a close with ${code}`,
        [close(code, 'ciao')],
        [`close:${code}`],
      ],
    ),
    ['a close with 123 bytes of reason', [close(1000, 'r'.repeat(123))], ['close:1000']],
    ['a close within a message', [frame(TEXT, 'a', { flags: 0 }), close(1000)], ['close:1000']],
    ['data after a close', [close(1000), frame(TEXT, 'a'), frame(PING)], ['close:1000']],
    ['two closes', [close(1000), close(1001)], ['close:1000']],
    ...[0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535].map(
      (code): [string, Buffer[], string[]] => [
        `a close with the reserved code ${code}`,
        [close(code)],
        [badFrame],
      ],
    ),
    ['a close with a code of one byte', [frame(CLOSE, [3])], [badFrame]],
    ['a close whose reason is not UTF-8', [close(1000, NOT_UTF8)], [badText]],
  ])('answers %s', async (_, frames, expected) => {
    expect(await answersTo(...frames)).toEqual(expected);
    if (expected.at(-1) !== staysOpen) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(stopCounter.current.stops).toBeGreaterThan(0);
    }
    // The server still serves other clients.
    expect(await answersTo()).toEqual([staysOpen]);
  });

  it('accepts frames that arrive byte by byte', async () => {
    using connection = await upgraded();
    for (const byte of Buffer.concat([frame(TEXT, 'hello'), frame(PING, 'slowly')])) {
      connection.send(Buffer.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await connection.until((received) => answers(received).length > 0);
    expect(answers(connection.received)).toEqual(['pong:slowly']);
  });

  it('ends a capture whose connection ends within a frame', async () => {
    const connection = await upgraded();
    await eventually('the start of the capture', () => stopCounter.current.starts > 0);
    connection.send(frame(TEXT, 'hello').subarray(0, 4));
    connection.socket.end();
    await connection.ended;
    await eventually('the end of the capture', () => stopCounter.current.stops > 0);
  });

  it('closes with 1008 when a client sends more than it may, and reads nothing more of it', async () => {
    const accepted = once(server.app.getHttpServer(), 'connection') as Promise<[Socket]>;
    using connection = await upgraded();
    const [served] = await accepted;
    connection.socket.pause();
    const pings = Buffer.concat(Array.from({ length: 1000 }, () => frame(PING, 'p'.repeat(125))));
    let blocked = false;
    for (let sent = 0; sent < 100 << 20 && !blocked; sent += pings.length) {
      if (connection.socket.write(pings)) continue;
      const drained = once(connection.socket, 'drain').then(() => true);
      blocked = !(await Promise.race([drained, sleep(1_000, false)]));
      expect(served.writableLength).toBeLessThan(1 << 20);
    }
    expect(blocked).toBe(true);
    connection.socket.resume();
    await connection.ended;
    expect(answers(connection.received).at(-1)).toBe('close:1008');
  }, 60_000);
}
