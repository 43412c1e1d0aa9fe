import { Logger } from '@nestjs/common';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { WebSocket } from 'ws';
import { Authenticator, bearerTokenOf, type Authentication } from '../../src/server/access/authenticator.js';
import { REQUEST_CONTEXT } from '../../src/server/http/request-log.js';
import { eventually } from '../kit/eventually.js';
import { handshake, RawConnection, rawRequest } from '../kit/raw-connection.js';
import { scriptedCapture, ServerUnderTest } from '../server/server-under-test.js';

/** Answers when the test wants it to. The token of a request is the name of its user. */
class SlowAuthenticator extends Authenticator {
  readonly waiting: { readonly request: IncomingMessage; readonly answer: (answer: unknown) => void }[] = [];
  isSlow = true;

  override authenticate(request: IncomingMessage): Authentication | Promise<Authentication> {
    const name = bearerTokenOf(request) ?? 'nobody';
    if (name === 'thrower') throw new Error('on purpose');
    if (!this.isSlow) return { user: { name } };
    const { promise, resolve } = Promise.withResolvers<Authentication>();
    this.waiting.push({ request, answer: (answer) => resolve(answer as Authentication) });
    return promise;
  }

  async asked(count = 1): Promise<void> {
    await eventually('the question', () => this.waiting.length >= count);
  }

  answerAll(answer: unknown): void {
    for (const each of this.waiting.splice(0)) each.answer(answer);
  }
}

const REFUSED = { refusal: { statusCode: 403, code: 'forbidden', message: 'no' } };

/** A ping of a client with one character, with a mask of zeros. */
function ping(character: string): string {
  return `\x89\x81\0\0\0\0${character}`;
}

describe('An authenticator that takes its time', () => {
  const authenticator = new SlowAuthenticator();
  let server: ServerUnderTest;
  let captures = 0;

  beforeAll(async () => {
    server = await ServerUnderTest.start(
      () => {
        captures++;
        return Promise.resolve(scriptedCapture([Buffer.from('captured')]));
      },
      ['--log-requests'],
      authenticator,
    );
  });
  beforeEach(() => {
    captures = 0;
    authenticator.isSlow = true;
    expect(authenticator.waiting).toEqual([]);
  });
  afterAll(() => server.close());

  const capture = (...headers: string[]) => handshake('/capture?netns=5', ...headers);

  it('is waited for before a request is handled, and sees no open path', async () => {
    const answer = fetch(`http://127.0.0.1:${server.port}/captures`);
    await authenticator.asked();
    expect((await fetch(`http://127.0.0.1:${server.port}/version`)).status).toBe(200);
    expect(authenticator.waiting).toHaveLength(1);
    authenticator.answerAll({});
    expect((await answer).status).toBe(200);
  });

  it('reads no body meanwhile, which is complete afterwards', async () => {
    const body = `${' '.repeat(60_000)}{"netns": 5}`;
    const answer = fetch(`http://127.0.0.1:${server.port}/tickets`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body,
    });
    await authenticator.asked();
    authenticator.answerAll({});
    expect((await answer).status).toBe(201);
  });

  it('is waited for before a websocket is upgraded; what the client sends meanwhile is kept', async () => {
    using connection = RawConnection.open(server.port, capture() + ping('1'));
    await authenticator.asked();
    const { socket } = authenticator.waiting[0]!.request;
    connection.send(ping('2'));
    await eventually('the bytes to arrive', () => socket.readableLength > 0);
    expect(connection.text).toBe('');
    authenticator.answerAll({});
    await connection.until((bytes) => bytes.includes('\x8a\x012', 'latin1'));
    expect(connection.text.indexOf('\x8a\x011')).toBeGreaterThan(0);
    expect(connection.text.indexOf('\x8a\x011')).toBeLessThan(connection.text.indexOf('\x8a\x012'));
    expect(connection.statusLine).toContain('101');
    await connection.until((bytes) => bytes.includes('captured'));
    expect(captures).toBe(1);
  });

  it('can refuse a websocket, with an ordinary response', async () => {
    const lines: string[] = [];
    const output = {
      log: (line: unknown, context: unknown) =>
        context === REQUEST_CONTEXT && lines.push(JSON.stringify(line)),
    };
    Logger.overrideLogger({ ...output, warn: () => undefined, error: () => undefined });
    try {
      using connection = RawConnection.open(server.port, capture());
      await authenticator.asked();
      authenticator.answerAll(REFUSED);
      const text = await connection.textUntilEnd();
      expect(text).toMatch(/^HTTP\/1.1 403 Forbidden\r\n/);
      expect(JSON.parse(text.split('\r\n\r\n')[1] ?? '')).toEqual(REFUSED.refusal);
      expect(text).not.toMatch(/WWW-Authenticate/);
      expect(captures).toBe(0);
      // One line, with the outcome.
      expect(lines).toEqual([expect.stringContaining('"outcome":403')]);
    } finally {
      Logger.overrideLogger(false);
    }
  });

  it.each<[string, (connection: RawConnection) => void]>([
    ['resets its connection', ({ socket }) => socket.resetAndDestroy()],
    ['ends its connection', ({ socket }) => socket.end()],
  ])('has no effect for a client that %s meanwhile', async (_, leave) => {
    for (const request of [capture(), 'GET /captures HTTP/1.1\r\nHost: x\r\n\r\n']) {
      using connection = RawConnection.open(server.port, request);
      await authenticator.asked();
      const { socket } = authenticator.waiting[0]!.request;
      leave(connection);
      await eventually('the server to notice', () => socket.destroyed);
      authenticator.answerAll({});
      await connection.ended;
      expect(connection.text).toBe('');
    }
    expect(captures).toBe(0);
  });

  it('answers several requests of a connection in their order, and upgrades after none that waits', async () => {
    const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
    using connection = RawConnection.open(server.port, get('/captures') + get('/version') + get('/nothing'));
    await authenticator.asked(2);
    authenticator.waiting.splice(1)[0]!.answer(REFUSED);
    authenticator.answerAll({});
    const text = await connection.textUntilEnd();
    expect(text.match(/HTTP\/1.1 \d+/g)).toEqual(['200', '200', '403'].map((code) => `HTTP/1.1 ${code}`));

    using upgrade = RawConnection.open(server.port, get('/captures') + capture());
    await authenticator.asked(2);
    authenticator.answerAll({});
    await upgrade.until((bytes) => bytes.includes('426'));
    expect(captures).toBe(0);
  });

  it.each([
    ['throws', 'thrower', undefined],
    ['answers nothing', 'alice', undefined],
  ])('that %s refuses the request', async (_, name, answer) => {
    for (const request of [
      capture(`Authorization: Bearer ${name}`),
      `GET /captures HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${name}\r\n\r\n`,
    ]) {
      using connection = RawConnection.open(server.port, request);
      if (name !== 'thrower') await authenticator.asked();
      authenticator.answerAll(answer);
      expect(await connection.textUntilEnd()).toMatch(/^HTTP\/1.1 503 [^]*"authentication-unavailable"/);
    }
  });

  it('may take 10 s; one client may let 128 requests wait, and leaves room for others', async () => {
    const connections = Array.from({ length: 128 }, (_, index) =>
      RawConnection.open(
        server.port,
        index % 2 === 0 ? capture() : 'GET /captures HTTP/1.1\r\nHost: x\r\n\r\n',
      ),
    );
    try {
      await authenticator.asked(128);
      const since = performance.now();
      expect(await rawRequest(server.port, 'GET /captures HTTP/1.1')).toMatch(/^HTTP\/1.1 503 [^]*"busy"/);
      using more = RawConnection.open(server.port, capture());
      expect(await more.textUntilEnd()).toMatch(/^HTTP\/1.1 503 [^]*"busy"/);

      using other = new RawConnection(
        connect({ port: server.port, host: '127.0.0.1', localAddress: '127.0.0.2' }),
      );
      other.send(capture());
      await authenticator.asked(129);
      authenticator.waiting.pop()!.answer({});
      await other.until((bytes) => bytes.includes('captured'));

      for (const connection of connections) {
        expect(await connection.textUntilEnd()).toMatch(/^HTTP\/1.1 503 [^]*"authentication-unavailable"/);
      }
      expect(performance.now() - since).toBeLessThan(12_000);
      expect(performance.now() - since).toBeGreaterThan(8_000);
    } finally {
      for (const each of connections) each[Symbol.dispose]();
      authenticator.waiting.splice(0);
    }
    authenticator.isSlow = false;
    expect((await fetch(`http://127.0.0.1:${server.port}/captures`)).status).toBe(200);
  });

  it('names the users, each of whom may end captures of his own only', async () => {
    authenticator.isSlow = false;
    const as = (name: string) => ({ Authorization: `Bearer ${name}` });
    const url = `http://127.0.0.1:${server.port}/captures`;
    const socket = new WebSocket(`ws://127.0.0.1:${server.port}/capture?netns=5`, { headers: as('alice') });
    await once(socket, 'message');
    const listFor = async (name: string) =>
      (
        (await (await fetch(url, { headers: as(name) })).json()) as {
          captures: { name: string; user: string; mayEnd: boolean }[];
        }
      ).captures;
    const [running] = await listFor('alice');
    expect(running).toMatchObject({ user: 'alice', mayEnd: true });
    expect(await listFor('bob')).toEqual([expect.objectContaining({ user: 'alice', mayEnd: false })]);
    const end = async (name: string) =>
      (await fetch(`${url}/${running!.name}`, { method: 'DELETE', headers: as(name) })).status;
    expect(await end('bob')).toBe(403);
    expect(socket.readyState).toBe(WebSocket.OPEN);
    const closed = once(socket, 'close');
    expect(await end('alice')).toBeLessThan(300);
    await closed;
  });
});
