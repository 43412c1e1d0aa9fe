import { eventually } from '../kit/eventually.js';
import { proxyForAllTests } from './kit/proxy-under-test.js';
import { handshake, RawConnection, rawRequest } from '../kit/raw-connection.js';

describe('The proxy forwards headers', () => {
  const proxy = proxyForAllTests();

  /** All values of this header in the first request at the upstream; the name is case-insensitive. */
  function valuesOf(name: string, websocket = false): string[] {
    const { upstream } = proxy.current;
    const raw = (websocket ? upstream.handshakes : upstream.requests)[0]?.rawHeaders ?? [];
    return raw.filter((_, index) => index % 2 === 1 && raw[index - 1]?.toLowerCase() === name);
  }

  it.each([
    ['GET /', false],
    ['GET /discover/', false],
    ['websocket /mobydig', true],
  ])('and replaces Enable-Monolith: %s', async (title, websocket) => {
    const { server, upstream } = proxy.current;
    const nasty = [
      ...['Enable-Monolith: no', 'ENABLE-MONOLITH: never', 'enable-monolith: Affirmative, HAL'],
      ...['Enable_Monolith: no', 'Connection: Enable-Monolith'],
      'X-Forwarded-For: 192.0.2.1',
      ...['X-Forwarded-Prefix: /a%2Fb', 'X-Forwarded-Uri: /a%2Fb//x?y'],
    ];
    const target = title.split(' ')[1] ?? '';
    const request = websocket
      ? handshake(target, ...nasty)
      : [`GET ${target} HTTP/1.1`, 'Host: client.example', ...nasty, '', ''].join('\r\n');
    using connection = RawConnection.open(server.port, request);
    await eventually('the answer', () => connection.text.includes('\r\n\r\n'));
    expect(valuesOf('enable-monolith', websocket)).toEqual(['Affirmative, Dave']);
    expect(valuesOf('enable_monolith', websocket)).toEqual([]);
    expect(valuesOf('host', websocket)).toEqual([`127.0.0.1:${upstream.port}`]);
    expect(valuesOf('x-forwarded-prefix', websocket)).toEqual(['/a%2Fb']);
    expect(valuesOf('x-forwarded-uri', websocket)).toEqual(['/a%2Fb//x?y']);
    expect(valuesOf('x-forwarded-for', websocket)).toEqual(['192.0.2.1, 127.0.0.1']);
  });

  it('except hop-by-hop headers', async () => {
    const { server } = proxy.current;
    await rawRequest(
      server.port,
      'GET / HTTP/1.1',
      ...['Connection: X-Secret, content-length', 'X-Secret: 1', 'Keep-Alive: 5', 'Proxy-Connection: x'],
      ...['Proxy-Authorization: x', 'Upgrade: h2c', 'TE: gzip, trailers', 'Accept: text/html', 'Trailer: X'],
    );
    for (const name of [
      'x-secret',
      'keep-alive',
      'proxy-connection',
      'proxy-authorization',
      'upgrade',
      'trailer',
    ]) {
      expect(valuesOf(name)).toEqual([]);
    }
    expect(valuesOf('te')).toEqual(['trailers']);
    expect(valuesOf('accept')).toEqual(['text/html']);
    expect(valuesOf('connection')).toEqual(['keep-alive']);
  });

  it('including Content-Length, even if the client names it in Connection', async () => {
    const { server, upstream } = proxy.current;
    using connection = RawConnection.open(
      server.port,
      'POST /x HTTP/1.1\r\nHost: x\r\nConnection: content-length, transfer-encoding\r\nContent-Length: 35\r\n\r\n' +
        'GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n',
    );
    await eventually('the answer', () => connection.text.includes('}'));
    expect(upstream.targets).toEqual(['/x']);
    expect(valuesOf('content-length')).toEqual(['35']);
  });

  it('and sends no body if the client has sent none', async () => {
    const { server } = proxy.current;
    await rawRequest(server.port, 'POST /x HTTP/1.1');
    expect(valuesOf('transfer-encoding')).toEqual([]);
    expect(valuesOf('content-length')).toEqual(['0']);
  });

  it('and answers "Expect: 100-continue" itself', async () => {
    const { server } = proxy.current;
    const answer = await rawRequest(
      server.port,
      'POST /x HTTP/1.1',
      'Expect: 100-continue',
      'Content-Length: 0',
    );
    expect(answer).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 /);
    expect(valuesOf('expect')).toEqual([]);
  });

  it('of responses unchanged, except hop-by-hop headers', async () => {
    const { server, upstream } = proxy.current;
    upstream.answer = (_, response) =>
      response
        .writeHead(299, 'Fine', [
          ...[
            'Set-Cookie',
            'a=1',
            'Set-Cookie',
            'b=2',
            'X-CaSe',
            'caf\xe9',
            'Location',
            'http://elsewhere/x',
          ],
          ...[
            'Connection',
            'close, X-Secret',
            'X-Secret',
            '1',
            'Keep-Alive',
            'timeout=5',
            'Content-Length',
            '2',
          ],
        ])
        .end(Buffer.from('ok'));
    using connection = RawConnection.open(server.port, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await eventually('the answer', () => connection.text.endsWith('ok'));
    const received = connection.text;
    expect(received).toMatch(/^HTTP\/1\.1 299 Fine\r\n/);
    for (const line of [
      'Set-Cookie: a=1',
      'Set-Cookie: b=2',
      'X-CaSe: caf\xe9',
      'Location: http://elsewhere/x',
    ]) {
      expect(received).toContain(`\r\n${line}\r\n`);
    }
    expect(received).not.toMatch(/X-Secret|close|timeout=5\r\nC/);
    connection.send('GET /again HTTP/1.1\r\nHost: x\r\n\r\n');
    await eventually('the answer', () => upstream.requests.length === 2);
  });

  it('and closes the connection if the client requests that', async () => {
    const answer = await rawRequest(proxy.current.server.port, 'GET / HTTP/1.1');
    expect(answer).toMatch(/\r\nConnection: close\r\n/i);
  });

  it('of 10 kB, and refuses 200 kB', async () => {
    const { server, upstream } = proxy.current;
    upstream.answer = (request, response) => response.end(String(request.headers['x-long']?.length));
    // The upstream has the header limit of Node, 16 KiB.
    const answer = await rawRequest(server.port, 'GET / HTTP/1.1', `X-Long: ${'x'.repeat(10_000)}`);
    expect(answer).toMatch(/10000/);
    const tooLong = await rawRequest(server.port, 'GET / HTTP/1.1', `X-Long: ${'x'.repeat(200_000)}`);
    expect(tooLong).toMatch(/^HTTP\/1\.1 (431|502) /);
  });
});
