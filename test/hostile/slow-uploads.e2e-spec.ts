import { once } from 'node:events';
import { connect } from 'node:net';
import { eventually } from '../kit/eventually.js';
import { RawConnection } from '../kit/raw-connection.js';
import { proxyForAllTests } from '../proxy/kit/proxy-under-test.js';

/** Connections that one client may have: half of 2 × (256 captures + 256 others). */
const MAX_PER_CLIENT = 512;

describe('A client that begins a thousand uploads and does not end them', () => {
  const proxy = proxyForAllTests();

  it('gets its share of the connections, and others are served', async () => {
    const { server, upstream } = proxy.current;
    upstream.answer = (request, response) => {
      if (request.method === 'POST') request.resume();
      else response.end('hello');
    };
    const address = { port: server.port, host: '127.0.0.1', localAddress: '127.0.0.2' };
    const uploads = Array.from({ length: 1000 }, () => {
      const upload = new RawConnection(connect(address));
      upload.send('POST /discover/upload HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nx');
      return upload;
    });
    await Promise.all(uploads.map(({ socket }) => once(socket, 'connect')));
    await eventually('the uploads to arrive', () => upstream.requests.length >= MAX_PER_CLIENT);

    expect(await (await fetch(proxy.current.url('/'))).text()).toBe('hello');
    expect(upstream.requests.filter(({ method }) => method === 'POST').length).toBe(MAX_PER_CLIENT);
    // The connections end because the uploads are slower than the least rate.
    await Promise.all(uploads.map(({ ended }) => ended));
    await eventually('the end of the upstream connections', () => upstream.sockets.size <= 1);
  }, 60_000);
});
