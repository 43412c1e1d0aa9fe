import { FrontUnderTest, scriptedCapture } from '../front/front-under-test.js';
import { Upstream } from './kit/upstream.js';

describe('Without --proxy-discovery', () => {
  let upstream: Upstream;
  let front: FrontUnderTest;
  beforeAll(async () => {
    upstream = await Upstream.start();
    const argv = ['--gw-port', String(upstream.port), '--discovery-timeout', '5'];
    front = await FrontUnderTest.start(() => Promise.resolve(scriptedCapture([])), argv);
  });
  afterAll(async () => {
    await front.close();
    await upstream.close();
  });

  it.each(['/', '/json', '/mobyshark', '/discover', '/discover/', '/discover/mobyshark'])(
    'there is nothing at %s',
    async (path) => {
      expect((await fetch(`http://127.0.0.1:${front.port}${path}`)).status).toBe(404);
      expect(upstream.requests).toEqual([]);
    },
  );

  it.each(['/mobydig', '/discover/mobydig'])('there is no websocket at %s', async (path) => {
    expect(await front.connect(path).refused).toBe(404);
    expect(upstream.handshakes).toEqual([]);
  });
});
