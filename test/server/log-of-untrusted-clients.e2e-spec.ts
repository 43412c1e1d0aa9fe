import { eventually } from '../kit/eventually.js';
import { serviceForAllTests } from '../kit/service.js';
import { HANDSHAKE, RawConnection } from '../kit/raw-connection.js';

describe('The log of the service', () => {
  const service = serviceForAllTests(['--debug', '--log-requests', '--log-headers']);

  it('has requests and their headers, without credentials and terminal escape sequences', async () => {
    using connection = RawConnection.open(service.current.port);
    connection.send(
      'GET http://me:hidden@x/version?token=hidden&netns=%0a HTTP/1.1\r\nHost: x\r\nAuthorization: Basic hidden\r\n' +
        'Proxy-Authorization: hidden\r\nCookie: a=hidden\r\nX-API-Key: hidden\r\n',
      Buffer.from('Accept: \x9b31mred\t\x85\r\nConnection: close\r\n\r\n', 'latin1'),
    );
    await connection.ended;
    const line = await eventually(
      'the line of the request',
      () => /^.*31mred.*$/m.exec(service.current.log)?.[0],
    );
    expect(JSON.parse(line)).toMatchObject({
      message: 'request',
      method: 'GET',
      target: 'http://(redacted)@x/version?(redacted)&netns=%0a',
      client: expect.stringMatching(/^127\.0\.0\.1 port \d+$/) as string,
      outcome: 200,
    });
    expect(line).toContain('"authorization":"(redacted)"');
    expect(line).toContain('"accept":"\\u009b31mred\\t\\u0085"');
    expect(service.current.log).not.toContain('hidden');
    expect(service.current.log).not.toMatch(/[^\P{C}\n]/u);
  });

  it('is not flooded by a thousand refused captures', async () => {
    const badRequest = HANDSHAKE.replace('netns=5', 'netns=x');
    const refuse = async (): Promise<void> => {
      const connection = await RawConnection.upgraded(service.current.port, badRequest);
      await connection.until((received) => received.length > 2);
      connection.socket.destroy();
    };
    for (let round = 0; round < 50; round++) await Promise.all(Array.from({ length: 20 }, refuse));
    const refusals = service.current.log.match(/"message":"capture refused",.*"code":4400,/g) ?? [];
    expect(refusals.length).toBeGreaterThan(0);
    expect(refusals.length).toBeLessThanOrEqual(41);
    await eventually(
      'their number',
      () => /\d+ more in 10 s like: Capture: capture refused code=4400/.test(service.current.log),
      15_000,
    );
  }, 60_000);
});
