import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import request from 'supertest';
import { SERVICE_VERSION } from '../../src/shared/service-version.js';
import { ServerUnderTest, scriptedCapture } from './server-under-test.js';

describe('The HTTP server', () => {
  let server: ServerUnderTest;
  beforeAll(async () => {
    server = await ServerUnderTest.start(() => Promise.resolve(scriptedCapture([])));
  });
  afterAll(() => server.close());

  const http = () => request(server.app.getHttpServer());

  /** Sends the bytes unchanged and returns everything received until the connection ends. */
  async function raw(bytes: string): Promise<string> {
    const socket = connect(server.port, '127.0.0.1');
    socket.write(bytes);
    return await text(socket);
  }

  it('serves its name and version at /version', async () => {
    const response = await http()
      .get('/version')
      .expect(200)
      .expect('Content-Type', /^application\/json/);
    expect(response.body).toEqual({ name: 'packetflix', version: SERVICE_VERSION });
    expect(response.headers).not.toHaveProperty('x-powered-by');
  });

  it.each(['/capture', '/discover/capture', '/capture?netns=5'])(
    'explains at %s that captures require a websocket',
    async (path) => {
      const response = await http().get(path).expect(426);
      expect(response.headers).toMatchObject({
        upgrade: 'websocket',
        connection: expect.stringMatching(/upgrade/i) as string,
        'content-type': 'text/plain; charset=utf-8',
      });
      expect(response.text).toMatch(/please/i);
      expect(response.text).toContain('ws://');
    },
  );

  it.each(['/json', '/discover/', '/mobyshark', '/version/x', '/captures/x', '/console/x'])(
    'answers %s with 404',
    async (path) => {
      const response = await http()
        .get(path)
        .expect(404)
        .expect('Content-Type', /^application\/json/);
      expect(response.body).toMatchObject({ statusCode: 404 });
    },
  );

  it('answers other methods with 404', async () => {
    await http().post('/version').send({ some: 'json' }).expect(404);
  });

  it('treats an upgrade to another protocol as an ordinary request', async () => {
    const answer = await raw(
      'GET /version HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n',
    );
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
  });

  it.each([
    ['/capture', /^HTTP\/1\.1 426 /],
    ['/discover/capture', /^HTTP\/1\.1 426 /],
    ['/elsewhere', /^HTTP\/1\.1 404 /],
  ])('ignores an h2c upgrade at %s', async (path, expected) => {
    expect(
      await raw(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n`),
    ).toMatch(expected);
  });

  it('answers a websocket handshake for an unknown path with 404', async () => {
    expect(await server.connect('/mobydig').refused).toBe(404);
  });

  it('answers a websocket handshake without a key with 400', async () => {
    expect(
      await raw(
        'GET /capture?netns=5 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
      ),
    ).toMatch(/^HTTP\/1\.1 400 /);
  });

  it('survives connections that are reset during a handshake', async () => {
    for (let count = 0; count < 20; count++) {
      const socket = connect(server.port, '127.0.0.1');
      await new Promise((resolve) => socket.once('connect', resolve));
      socket.write(
        'GET /capture?netns=5 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
          'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
      );
      socket.resetAndDestroy();
    }
    await http().get('/version').expect(200);
  });
});
