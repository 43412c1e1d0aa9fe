import { proxyForAllTests } from './kit/proxy-under-test.js';

describe('The connections of the proxy to the upstream', () => {
  const proxy = proxyForAllTests();

  async function get(): Promise<string> {
    return await (await fetch(proxy.current.url('/x'))).text();
  }

  /** The upstream closes each connection when a second request arrives. */
  function answerOncePerConnection(): void {
    const used = new WeakSet();
    proxy.current.upstream.answer = ({ socket }, response) => {
      if (used.has(socket)) return void socket.resetAndDestroy();
      used.add(socket);
      response.end('hello');
    };
  }

  it('are kept alive between requests', async () => {
    const { upstream } = proxy.current;
    upstream.answer = ({ socket }, response) => response.end(String(socket.remotePort));
    expect(await get()).toBe(await get());
    expect(upstream.sockets.size).toBe(1);
  });

  it('are replaced if the upstream closes an idle one when the next request arrives', async () => {
    answerOncePerConnection();
    expect([await get(), await get(), await get()]).toEqual(['hello', 'hello', 'hello']);
  });

  it('are not replaced for a request that may have had an effect', async () => {
    answerOncePerConnection();
    expect(await get()).toBe('hello');
    const { status } = await fetch(proxy.current.url('/x'), { method: 'POST', body: 'x' });
    expect(status).toBe(502);
  });
});
