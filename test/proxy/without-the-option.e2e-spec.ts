import { ServerUnderTest, scriptedCapture } from '../server/server-under-test.js';
import { Upstream } from './kit/upstream.js';

describe('Without --proxy-discovery', () => {
  let upstream: Upstream;
  let server: ServerUnderTest;
  beforeAll(async () => {
    upstream = await Upstream.start();
    const argv = ['--gw-port', String(upstream.port), '--discovery-timeout', '5'];
    server = await ServerUnderTest.start(() => Promise.resolve(scriptedCapture([])), argv);
  });
  afterAll(async () => {
    await server.close();
    await upstream.close();
  });

  it.each(['/json', '/mobyshark', '/discover', '/discover/', '/discover/mobyshark'])(
    '%s is not found',
    async (path) => {
      expect((await fetch(`http://127.0.0.1:${server.port}${path}`)).status).toBe(404);
      expect(upstream.requests).toEqual([]);
    },
  );

  it.each(['/mobydig', '/discover/mobydig'])('the websocket %s is not found', async (path) => {
    expect(await server.connect(path).refused).toBe(404);
    expect(upstream.handshakes).toEqual([]);
  });
});
