import { ASSETS, loadPage, servePage } from './kit/page.js';
import { proxyForAllTests } from './kit/proxy-under-test.js';

describe('The page of GhostWire', () => {
  const proxy = proxyForAllTests();

  it.each(['/', '/discover/'])('loads at %s with its assets', async (path) => {
    const { upstream } = proxy.current;
    upstream.answer = servePage;
    const assets = await loadPage(proxy.current.url(path), async (url) => {
      const response = await fetch(url);
      return { status: response.status, body: await response.text() };
    });
    expect(assets).toEqual(ASSETS);
    expect(upstream.targets[0]).toBe('/');
    for (const { headers } of upstream.requests) expect(headers['enable-monolith']).toBe('Affirmative, Dave');
  });

  it('can open its websocket and captures', async () => {
    const { server, upstream } = proxy.current;
    for (const base of ['', '/discover']) {
      const client = server.connect(`${base}/mobydig`);
      await client.opened;
      client.socket.terminate();
      expect((await server.connect(`${base}/capture?netns=5`).closed).code).toBe(1000);
    }
    expect(upstream.handshakes.map(({ url }) => url)).toEqual(['/mobydig', '/mobydig']);
  });
});
