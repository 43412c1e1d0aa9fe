import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import * as fc from 'fast-check';
import { WebSocket } from 'ws';
import { mobyshark } from '../../test/fixtures/ghostwire-server.js';
import { CaptureClient } from '../../test/kit/capture-client.js';
import type { Service } from '../../test/kit/service.js';
import { badRequest } from '../../test/references/bad-requests.js';
import type { SoakEnvironment } from './soak-environment.js';

const TIMEOUT_MS = 30_000;
/** Used in place of a close code. */
const FOUND = 0;
const HANDSHAKE =
  'Host: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';

/** A request with one fault, from the same generator as those of the end-to-end test. */
export async function sendBadRequest({ service, busy, random }: SoakEnvironment): Promise<string> {
  const [request] = fc.sample(badRequest(busy.inode), {
    seed: Math.floor(random.next() * 2 ** 31),
    numRuns: 1,
  });
  if (!request) throw new Error('unreachable: no sample');
  const { query, headers, codes, fault } = request;
  const answer = Promise.withResolvers<number>();
  const socket = new WebSocket(service.url(`/capture?${query}`, 'ws'), { headers: { ...headers } });
  const timer = setTimeout(() => socket.terminate(), TIMEOUT_MS);
  socket.on('close', (code) => answer.resolve(code));
  socket.on('unexpected-response', (_, { statusCode = 0 }) => {
    answer.resolve(statusCode);
    socket.terminate();
  });
  socket.on('error', (error) => answer.reject(error));
  const code = await answer.promise.finally(() => clearTimeout(timer));
  if (!codes.includes(code)) throw new Error(`${code} for ${fault} ${query.slice(0, 300)}`);
  return 'refused';
}

/** Bytes that are not a request, half a request, or a websocket with invalid frames; the connection may stay open. */
export async function sendBadBytes({ service, busy, random }: SoakEnvironment): Promise<string> {
  const path = `/capture?netns=${busy.inode}&nif=eth1`;
  const bytes = random.pick([
    '',
    'GET /ver',
    '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
    'GET /version HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n',
    `GET ${path} HTTP/1.1\r\n${HANDSHAKE}`,
    `GET ${path} HTTP/1.1\r\n${HANDSHAKE}\x81\x05hello`,
    `GET ${path} HTTP/1.1\r\n${HANDSHAKE}\xff\xff\xff\xff`,
  ]);
  const socket = connect(service.port, '127.0.0.1').on('error', () => undefined);
  const closed = new Promise((resolve) => socket.once('close', resolve));
  if (random.chance(0.3)) socket.pause();
  else socket.resume();
  socket.write(Buffer.from(bytes, 'latin1'));
  const left = sleep(random.between(0, 6_000), undefined, { ref: false });
  await Promise.race([closed, left]);
  if (random.chance(0.5)) socket.resetAndDestroy();
  else socket.destroy();
  await closed;
  return 'closed';
}

/** A capture by name while the directory fails in one of several ways. */
export async function queryBadDirectory({
  service,
  ghostwire,
  steady,
  random,
}: SoakEnvironment): Promise<string> {
  const answers: [expected: number, answer: typeof ghostwire.answer][] = [
    [FOUND, mobyshark([{ name: 'web', type: 'docker', netns: steady.inode }])],
    [4404, mobyshark([])],
    [4502, (_, response) => response.end('<html>')],
    [4502, (_, response) => response.writeHead(503).end()],
    [4502, (request) => request.socket.destroy()],
  ];
  const [expected, answer] = random.pick(answers);
  ghostwire.answer = answer;
  let outcome = await requestWeb(service);
  // Concurrent lookups share one response, which may be an older one.
  if (outcome !== expected) outcome = await requestWeb(service);
  if (outcome !== expected) throw new Error(`a request by name: ${outcome} instead of ${expected}`);
  return outcome === FOUND ? 'found' : `refused with ${outcome}`;
}

async function requestWeb(service: Service): Promise<number> {
  await using client = await CaptureClient.open(service, { container: { name: 'web' }, nif: 'eth1' });
  await client.until('a response', () => client.closing !== undefined || client.interfaces.length > 0);
  return client.closing?.code ?? FOUND;
}
