/**
 * Nodes of a cluster that lie, either in their streams or in their other answers, each at a port of its own: prints the ports by lie.
 * Node runs it without a compiler, so that only erasable types are allowed.
 *
 *     lying-nodes streams | answers URL-TO-REDIRECT-TO NAME-TO-CLAIM
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocket, WebSocketServer } from 'ws';

const SECTION_HEADER = 0x0a0d0d0a;
const INTERFACE_DESCRIPTION = 1;
const STATISTICS = 5;
const ENHANCED_PACKET = 6;
const UNKNOWN_BLOCK = 0x7777;
const COMMENT = 1;
const IF_NAME = 2;
const IF_TSRESOL = 9;
const HEARTBEAT_MS = 10_000;
const HOUR_NS = 3_600_000_000_000n;

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)]);
}

function words(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, index) => bytes.writeUInt32LE(value >>> 0, 4 * index));
  return bytes;
}

function block(type: number, ...parts: readonly Buffer[]): Buffer {
  const body = padded(Buffer.concat(parts));
  return Buffer.concat([words(type, body.length + 12), body, words(body.length + 12)]);
}

function option(code: number, value: Buffer): Buffer {
  return Buffer.concat([words((value.length << 16) | code), padded(value)]);
}

function timestamp(aheadNs = 0n): Buffer {
  const now = BigInt(Date.now()) * 1_000_000n + aheadNs;
  return words(Number(now >> 32n), Number(now & 0xffff_ffffn));
}

function interfaceBlock(name: string): Buffer {
  const options = [option(IF_NAME, Buffer.from(name)), option(IF_TSRESOL, Buffer.from([9])), words(0)];
  return block(INTERFACE_DESCRIPTION, words(1, 262_144), ...options);
}

function packetBlock(bytes: number, aheadNs = 0n): Buffer {
  return block(ENHANCED_PACKET, words(0), timestamp(aheadNs), words(bytes, bytes), Buffer.alloc(bytes));
}

function statisticsBlock(comment: string): Buffer {
  return block(STATISTICS, words(0), timestamp(), option(COMMENT, Buffer.from(comment)), words(0));
}

const SECTION = block(SECTION_HEADER, words(0x1a2b3c4d, 1, 0xffff_ffff, 0xffff_ffff));
const BEGIN = Buffer.concat([SECTION, interfaceBlock('eth1')]);

/** What it sends first, and then again and again as long as the gateway reads. */
interface StreamLie {
  readonly first: readonly Buffer[];
  readonly then?: (count: number) => Buffer;
}

const NOISE = Buffer.from('This is no pcapng at all. '.repeat(100));
const MEBIBYTE = Buffer.alloc(1024 * 1024 - 64);

const STREAM_LIES: Readonly<Record<string, StreamLie>> = {
  noise: { first: [], then: () => NOISE },
  'block of 4 GiB': { first: [BEGIN, words(ENHANCED_PACKET, 0xffff_fffc)], then: () => MEBIBYTE },
  'block of 0 bytes': { first: [BEGIN, words(ENHANCED_PACKET, 0, 0, 0)] },
  'two lengths': { first: [BEGIN, Buffer.concat([packetBlock(60).subarray(0, -4), words(4)])] },
  'unknown interface': { first: [SECTION, packetBlock(60)] },
  'packet beyond its block': {
    first: [BEGIN, block(ENHANCED_PACKET, words(0), timestamp(), words(0xffff, 0xffff), Buffer.alloc(8))],
  },
  'packet of 4 GiB': {
    first: [BEGIN, block(ENHANCED_PACKET, words(0), timestamp(), words(0xffff_fff0, 0xffff_fff0))],
  },
  'more than there was': {
    first: [BEGIN, block(ENHANCED_PACKET, words(0), timestamp(), words(60, 8), Buffer.alloc(60))],
  },
  'bad options': {
    first: [
      BEGIN,
      block(ENHANCED_PACKET, words(0), timestamp(), words(4, 4, 0), words((0xfff0 << 16) | 1, 0)),
    ],
  },
  'second section': { first: [BEGIN, SECTION] },
  'endless packets': { first: [BEGIN], then: () => packetBlock(60_000) },
  'endless bytes': {
    first: [BEGIN, words(ENHANCED_PACKET, 512 * 1024)],
    then: (count) => (count < 500_000 ? Buffer.alloc(1) : words(ENHANCED_PACKET, 512 * 1024)),
  },
  'endless ballast': {
    first: [BEGIN],
    then: () => Buffer.concat([packetBlock(4), block(UNKNOWN_BLOCK, MEBIBYTE.subarray(0, -200))]),
  },
  'endless interfaces': { first: [BEGIN], then: (count) => interfaceBlock(`${count}-`.padEnd(900, 'x')) },
  'endless comments': { first: [BEGIN], then: () => statisticsBlock('lie '.repeat(8_000)) },
  'wrong times': {
    first: [BEGIN],
    then: (count) => packetBlock(60_000, (count % 2 ? 1n : -1n) * 1_000n * HOUR_NS),
  },
};

/** Answers a request that is not `GET /version` or `/targets` as a node does. @returns whether it has answered */
type AnswerLie = (request: IncomingMessage, response: ServerResponse) => boolean;

const ANSWER_LIES: Readonly<Record<string, AnswerLie>> = {
  redirect: (_, response) => {
    response.writeHead(302, { location: process.argv[3] ?? '' }).end();
    return true;
  },
  'endless version': (_, response) => answerEndlessly(response, '{"name":"'),
  'endless targets': ({ url }, response) =>
    url === '/targets' && answerEndlessly(response, 'event: snapshot\nid: 1\ndata: {"targets":[{"name":"'),
  'endless event stream': ({ url }, response) =>
    url === '/targets' && answerEndlessly(response, '', ': a comment\n\n'.repeat(1000)),
  'endless events': ({ url }, response) =>
    url === '/targets' && answerEndlessly(response, '', eventOf(targetsNamed('endless-events', 2_000))),
  'no JSON': ({ url }, response) =>
    url === '/targets' && answerOnce(response, 'event: snapshot\nid: 1\ndata: {]\n\n'),
  'too many targets': ({ url }, response) =>
    url === '/targets' && answerOnce(response, eventOf(targetsNamed('many', 60_000))),
  'wrong types': ({ url }, response) =>
    url === '/targets' &&
    answerOnce(
      response,
      eventOf([null, 7, 'text', { name: 1 }, { name: { a: 1 }, netns: -1 }, { __proto__: 1 }]),
    ),
  silent: () => true,
};

/** It claims to be another node, and lists what that has. */
const CLAIMED = process.argv[4] ?? '';

function answerOnce(response: ServerResponse, text: string): boolean {
  response.writeHead(200, { 'content-type': 'text/event-stream' }).write(text);
  const heartbeat = setInterval(() => response.write(': heartbeat\n\n'), HEARTBEAT_MS);
  response.on('close', () => clearInterval(heartbeat));
  return true;
}

function answerEndlessly(response: ServerResponse, first: string, then = 'x'.repeat(64 * 1024)): boolean {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'packetflix-node': 'endless' });
  response.write(first);
  const more = (): void => {
    while (!response.destroyed && response.write(then));
  };
  response.on('drain', more);
  more();
  return true;
}

function targetsNamed(name: string, count: number): readonly object[] {
  return Array.from({ length: count }, (_, index) => ({
    ...{ name: `lie-${name}${index || ''}`, type: 'proc', prefix: '', node: CLAIMED },
    ...{ netns: 1_000 + index, pid: 10 + index, starttime: 10, interfaces: ['eth1'], labels: {} },
  }));
}

function eventOf(targets: readonly unknown[]): string {
  return `event: snapshot\nid: 1\ndata: ${JSON.stringify({ targets })}\n\n`;
}

function listen(lie: string): Promise<number> {
  const name = lie.replaceAll(' ', '-');
  const answer = ANSWER_LIES[lie];
  const server = createServer((request, response) => {
    response.on('error', () => undefined);
    if (answer?.(request, response)) return;
    const claims = lie === 'name of another' ? CLAIMED : name;
    // A clock that is wrong, which is no lie that harms anybody.
    const time = Date.now() - (lie === 'clock' ? 3_600_000 : 0);
    response.setHeader('packetflix-node', claims);
    response.setHeader('packetflix-time', String(time));
    if (request.url === '/targets') answerOnce(response, eventOf(targetsNamed(name, 1)));
    else if (request.url?.startsWith('/filter')) response.end('{"valid":true}');
    else response.end('{"name":"packetflix","version":"9.9.9"}');
  });
  const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    sockets.handleUpgrade(request, socket, head, (client) => void stream(client, STREAM_LIES[lie]));
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
}

async function stream(client: WebSocket, lie: StreamLie = { first: [BEGIN] }): Promise<void> {
  client.on('error', () => undefined);
  for (const message of lie.first) client.send(message);
  for (let count = 0; lie.then && client.readyState === WebSocket.OPEN; count += 1) {
    const message = lie.then(count);
    if (client.bufferedAmount < 1024 * 1024 && count % 100 !== 0) client.send(message);
    else await new Promise((resolve) => client.send(message, resolve));
  }
}

const isOfStreams = process.argv[2] === 'streams';
const lies = isOfStreams
  ? [...Object.keys(STREAM_LIES), 'clock']
  : [...Object.keys(ANSWER_LIES), 'name of another'];
const ports = await Promise.all(lies.map(async (lie) => [lie, await listen(lie)] as const));
console.log(JSON.stringify(Object.fromEntries(ports)));
