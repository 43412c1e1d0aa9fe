import { proxyForAllTests } from '../proxy/kit/proxy-under-test.js';
import { handshake, RawConnection, rawRequest } from '../kit/raw-connection.js';
import { eventually } from '../kit/eventually.js';

describe('With --proxy-discovery', () => {
  const proxy = proxyForAllTests();

  async function ticket(): Promise<string> {
    const answer = await fetch(proxy.current.url('/tickets'), {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: '{"container":{"name":"web","type":"docker"}}',
    });
    return ((await answer.json()) as { ticket: string }).ticket;
  }

  it.each([
    ...['/t/TICKET/json', '/t/TICKET/', '/t/TICKET', '/t/TICKET/../json', '/t/TICKET/discover/json'],
    ...['//t/TICKET/json', '/%74/TICKET/json', '/%2574/TICKET', '/t%2fTICKET/json', '/T/TICKET/json'],
    ...['/discover/t/TICKET/json', '/discover//t/TICKET', '/discover/%74/TICKET', '/discover/x/../t/TICKET'],
    ...['/x/../t/TICKET/json', 'http://evil.example/t/TICKET/json', 'http://evil.example//t/TICKET'],
    ...['/t/', '/t/short/json', '/t/../json', '/t/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/json'],
  ])('%s never arrives at the upstream', async (form) => {
    const { server, upstream } = proxy.current;
    const target = form.replace('TICKET', await ticket());
    for (const method of ['GET', 'POST']) {
      const answer = await rawRequest(server.port, `${method} ${target} HTTP/1.1\r\nContent-Length: 0`);
      expect(answer).toMatch(/^HTTP\/1\.1 (403|404|405) /);
    }
    using connection = RawConnection.open(server.port, handshake(target));
    await eventually('the answer', () => connection.text.includes('\r\n\r\n'));
    expect(connection.text).toMatch(/^HTTP\/1\.1 40[34] /);
    expect([upstream.requests.length, upstream.handshakes.length]).toEqual([0, 0]);
  });

  it('a ticket lists its target alone, without asking the upstream', async () => {
    const { upstream } = proxy.current;
    const list = await fetch(proxy.current.url(`/t/${await ticket()}/discover/mobyshark`));
    expect(await list.json()).toMatchObject({ containers: [{ name: 'web' }] });
    expect(upstream.requests).toEqual([]);
  });

  it('POST /tickets and its other methods are not proxied', async () => {
    const { upstream } = proxy.current;
    expect((await fetch(proxy.current.url('/tickets'))).status).toBe(405);
    expect(upstream.requests).toEqual([]);
  });

  it('other paths with a t are proxied', async () => {
    const { upstream } = proxy.current;
    await fetch(proxy.current.url('/static/t/app.js'));
    await fetch(proxy.current.url('/discover/t/app.js'));
    expect(upstream.targets).toEqual(['/static/t/app.js', '/t/app.js']);
  });
});
