import { eventually } from '../kit/eventually.js';
import { proxyForAllTests } from './kit/proxy-under-test.js';
import { handshake, RawConnection, rawRequest } from '../kit/raw-connection.js';

describe('The proxy forwards paths', () => {
  const proxy = proxyForAllTests();

  it.each([
    ['/', '/'],
    ['/json', '/json'],
    ['/mobyshark?a=b&c', '/mobyshark?a=b&c'],
    ['/discover', '/'],
    ['/discover/', '/'],
    ['/discover/mobyshark?a', '/mobyshark?a'],
    ['/discover?q=/discover/', '/?q=/discover/'],
    ['/discoverx', '/discoverx'],
    ['/Discover/x', '/Discover/x'],
    ['/discover/discover/x', '/discover/x'],
    ['/a%2Fb;c=d/%zz/%?q=%zz&r=a+b;c', '/a%2Fb;c=d/%zz/%?q=%zz&r=a+b;c'],
    ['/discover/a%2Fb;c=d/%zz/%?q=%zz', '/a%2Fb;c=d/%zz/%?q=%zz'],
    ['//', '//'],
    ['//evil.example/x', '//evil.example/x'],
    ['///evil.example:99999/x', '///evil.example:99999/x'],
    ['/discover//evil.example/x', '//evil.example/x'],
    ['/discover/../version', '/../version'],
    ['/../discover/./x', '/../discover/./x'],
    ['/discover/%2e%2e/%2E%2E%2fx', '/%2e%2e/%2E%2E%2fx'],
    ['/discover/@evil.example/', '/@evil.example/'],
    ['/discover/\\evil.example', '/\\evil.example'],
    ['/discover/http://evil.example/', '/http://evil.example/'],
    ['/discover/{a}|"^`<>', '/{a}|"^`<>'],
    ['http://evil.example/', '/'],
    ['http://evil.example', '/'],
    ['http://evil.example:1/discover/x?y', '/x?y'],
    ['https://user:secret@[::1]//x', '//x'],
    ['/version/x', '/version/x'],
    ['/capturesque', '/capturesque'],
  ])('GET %s arrives at the upstream as %s and never at another host', async (target, expected) => {
    const { upstream, server } = proxy.current;
    expect(await rawRequest(server.port, `GET ${target} HTTP/1.1`)).toMatch(/^HTTP\/1\.1 200 /);
    expect(upstream.targets).toEqual([expected]);
    expect(upstream.requests[0]?.headers.host).toBe(`127.0.0.1:${upstream.port}`);
  });

  it.each([
    ['/mobydig', '/mobydig'],
    ['/discover/mobydig?a=%zz', '/mobydig?a=%zz'],
    ['//evil.example/x', '//evil.example/x'],
    ['/discover//evil.example/x', '//evil.example/x'],
    ['/discoverx', '/discoverx'],
    ['/discover/../capture', '/../capture'],
    ['http://evil.example/discover/x', '/x'],
    ['ws://evil.example', '/'],
  ])(
    'a websocket to %s arrives at the upstream as %s and never at another host',
    async (target, expected) => {
      const { upstream, server } = proxy.current;
      using connection = RawConnection.open(server.port, handshake(target));
      await eventually('the answer', () => connection.text.includes('\r\n\r\n'));
      expect(connection.text).toMatch(/^HTTP\/1\.1 101 /);
      expect(upstream.handshakes.map(({ url }) => url)).toEqual([expected]);
      expect(upstream.handshakes[0]?.headers.host).toBe(`127.0.0.1:${upstream.port}`);
    },
  );

  it.each([
    ['GET /version', 200],
    ['GET http://evil.example/version?x', 200],
    ['POST /version', 404],
    ['GET /version/', 200],
    ['GET /capture', 426],
    ['GET /discover/capture?netns=5', 426],
    ['DELETE /capture', 404],
    ['GET /capture.pcapng', 400],
    ['GET /captures', 200],
    ['DELETE /captures/x', 404],
    ['GET /filter', 200],
    ['POST /tickets', 415],
    ['GET /console', 308],
    ['GET /console/', 200],
    ['OPTIONS *', 404],
    ['GET evil.example/x', 400],
    ['GET /caf\xe9', 400],
    ['CONNECT evil.example:80', undefined],
  ])('but not %s', async (start, status) => {
    const { upstream, server } = proxy.current;
    const answer = await rawRequest(server.port, `${start} HTTP/1.1`);
    expect(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]).toBe(status === undefined ? undefined : String(status));
    expect(upstream.requests).toEqual([]);
  });

  it.each([
    ['/version', 200],
    ['/version/', 200],
    ['/capture/', 426],
    ['/discover/capture/', 426],
  ])('but not a websocket to %s, which the service answers itself', async (target, status) => {
    const { upstream, server } = proxy.current;
    expect(await server.connect(target).refused).toBe(status);
    expect(upstream.handshakes).toEqual([]);
  });

  it.each(['/capture?netns=5', '/discover/capture?netns=5'])('but not captures at %s', async (target) => {
    const { upstream, server } = proxy.current;
    const client = server.connect(target);
    expect(await client.closed).toMatchObject({ code: 1000 });
    expect(client.received.toString()).toBe('captured');
    expect(upstream.handshakes).toEqual([]);
  });

  it('but not captures at an absolute URL', async () => {
    const { upstream, server } = proxy.current;
    const request = handshake('http://evil.example/discover/capture?netns=5');
    using connection = RawConnection.open(server.port, request);
    await eventually('the answer', () => connection.text.includes('captured'));
    expect(upstream.handshakes).toEqual([]);
  });
});
