import { createServer, type Server } from 'node:net';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import { describeTargetDirectory } from '../../../test/contracts/target-directory.contract.js';
import { GhostwireServer, mobyshark } from '../../../test/fixtures/ghostwire-server.js';
import { TargetDirectoryError } from './target-directory.js';
import { GhostwireTargetDirectory, type GhostwireOptions } from './ghostwire-target-directory.js';

const WEB = { name: 'web', type: 'docker', netns: 4026532270, pid: 1234, starttime: 56789, prefix: '' };

function directoryOf(port: number, options: Partial<GhostwireOptions> = {}): GhostwireTargetDirectory {
  return new GhostwireTargetDirectory({ ghostwireHost: '127.0.0.1', ghostwirePort: port, ...options });
}

async function failureOf(promise: Promise<unknown>): Promise<TargetDirectoryError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(TargetDirectoryError);
  return error as TargetDirectoryError;
}

describeTargetDirectory('GhostwireTargetDirectory', async (entries) => {
  const containers = entries.map(({ startTime, interfaces, ...rest }) => ({
    ...rest,
    starttime: startTime,
    'network-interfaces': interfaces,
  }));
  const server = await new GhostwireServer(mobyshark(containers)).listen();
  return { directory: directoryOf(server.port), dispose: () => server.close() };
});

describe('GhostwireTargetDirectory', () => {
  let server: GhostwireServer | undefined;
  afterEach(() => server?.close());

  async function listen(answer: GhostwireServer['answer']): Promise<GhostwireServer> {
    server = await new GhostwireServer(answer).listen();
    return server;
  }

  it('requests /mobyshark, without the header of proxied requests', async () => {
    const { port, requests } = await listen(mobyshark([WEB]));
    await directoryOf(port).list();
    expect(requests[0]).toMatchObject({ method: 'GET', url: '/mobyshark' });
    expect(requests[0]!.headers).not.toHaveProperty('enable-monolith');
  });

  it('shares one request among concurrent calls, and makes a new one afterwards', async () => {
    const { port, requests } = await listen(mobyshark([WEB]));
    const directory = directoryOf(port);
    await Promise.all(Array.from({ length: 50 }, () => directory.find('web', '')));
    expect(requests).toHaveLength(1);
    await directory.find('web', '');
    expect(requests).toHaveLength(2);
  });

  it('makes a new request for calls that need a fresh answer while one is running', async () => {
    const { port, requests } = await listen((_request, response) => {
      const containers = [{ ...WEB, pid: requests.length }];
      setTimeout(() => response.end(JSON.stringify({ containers })), 50);
    });
    const directory = directoryOf(port);
    const old = directory.find('web', '');
    const fresh = Array.from({ length: 5 }, () => directory.find('web', '', undefined, { fresh: true }));
    expect((await old)[0]!.pid).toBe(1);
    expect((await Promise.all(fresh)).map(([entry]) => entry!.pid)).toEqual([2, 2, 2, 2, 2]);
    expect(requests).toHaveLength(2);
  });

  it('ends the request when all callers have aborted, and makes a new one for the next call', async () => {
    const ghostwire = await listen(() => undefined);
    const directory = directoryOf(ghostwire.port);
    const abort = new AbortController();
    const given = directory.list(abort.signal);
    const alsoGiven = directory.list(abort.signal);
    while (ghostwire.requests.length === 0) await delay(5);
    abort.abort(new Error('gone'));
    await expect(given).rejects.toThrow('gone');
    await expect(alsoGiven).rejects.toThrow('gone');
    ghostwire.answer = mobyshark([WEB]);
    expect(await directory.list()).toHaveLength(1);
    while ((await ghostwire.connections()) > 0) await delay(5);
  });

  it('treats null as an empty list', async () => {
    const { port } = await listen(mobyshark(null));
    expect(await directoryOf(port).list()).toEqual([]);
  });

  it('skips unusable entries and ignores unknown attributes', async () => {
    const bad = [
      null,
      5,
      [],
      {},
      { ...WEB, name: '' },
      { ...WEB, name: 5 },
      { ...WEB, netns: 0 },
      { ...WEB, netns: '4026532270' },
      { ...WEB, netns: 1.5 },
      { ...WEB, pid: -1 },
      { ...WEB, starttime: 1e300 },
      { ...WEB, type: {} },
      { ...WEB, prefix: [] },
      { ...WEB, 'network-interfaces': ['lo', 5] },
      { ...WEB, 'network-interfaces': 'lo' },
      { ...WEB, name: 'x'.repeat(5000) },
    ] as object[];
    const { port } = await listen(mobyshark([...bad, { ...WEB, colour: 'blue', pid: null }]));
    expect(await directoryOf(port).list()).toEqual([
      {
        name: 'web',
        prefix: '',
        type: 'docker',
        netns: 4026532270,
        pid: 0,
        startTime: 56789,
        interfaces: [],
      },
    ]);
  });

  it.each([
    ['', "GhostWire's answer is not JSON"],
    ['<html>', "GhostWire's answer is not JSON"],
    ['['.repeat(1_000_000), "GhostWire's answer is not JSON"],
    ['null', "GhostWire's answer is not of the expected shape"],
    ['[]', "GhostWire's answer is not of the expected shape"],
    ['{}', "GhostWire's answer is not of the expected shape"],
    ['{"__proto__":{"containers":[]}}', "GhostWire's answer is not of the expected shape"],
    ['{"containers":{}}', "GhostWire's answer is not of the expected shape"],
    ['{"containers":[null]}', "GhostWire's answer is not of the expected shape"],
    ['{"containers":[{"name":"web"}]}', "GhostWire's answer is not of the expected shape"],
  ])('refuses an unusable answer: %.40j', async (body, message) => {
    const { port } = await listen((_request, response) => response.end(body));
    expect(await failureOf(directoryOf(port).list())).toMatchObject({ message, reason: 'failed' });
  });

  it.each([204, 301, 302, 404, 500, 503])(
    'refuses HTTP status %i and follows no redirect',
    async (status) => {
      const ghostwire = await listen((_request, response) => {
        response.writeHead(status, { location: '/elsewhere' }).end();
      });
      expect(await failureOf(directoryOf(ghostwire.port).list())).toMatchObject({
        message: `GhostWire answered with HTTP status ${status}`,
        reason: 'failed',
      });
      expect(ghostwire.requests).toHaveLength(1);
    },
  );

  it('reads no more than the limit of an endless answer', async () => {
    let sent = 0;
    const { port } = await listen((_request, response) => {
      const send = () => {
        while (!response.destroyed && response.write(Buffer.alloc(64 * 1024, 0x20))) sent += 64 * 1024;
      };
      response.on('drain', send);
      send();
    });
    expect(await failureOf(directoryOf(port, { maxBodyBytes: 1024 * 1024 }).list())).toMatchObject({
      message: "GhostWire's answer is too large: over 1048576 bytes",
      reason: 'failed',
    });
    // The buffers of the two sockets come on top.
    expect(sent).toBeLessThan(16 * 1024 * 1024);
  });

  it('times out while an answer arrives byte by byte', async () => {
    const { port } = await listen((_request, response) => {
      const drip = setInterval(() => response.write(' '), 20);
      response.on('close', () => clearInterval(drip));
    });
    const failure = await failureOf(directoryOf(port, { timeoutMs: 200 }).list());
    expect(failure).toMatchObject({
      message: `GhostWire timed out after 0.2 s: 127.0.0.1 port ${port}`,
      reason: 'failed',
    });
  });

  it('times out when no answer begins', async () => {
    const { port } = await listen(() => undefined);
    const failure = await failureOf(directoryOf(port, { timeoutMs: 100 }).list());
    expect(failure).toMatchObject({ message: expect.stringContaining('timed out'), reason: 'failed' });
  });

  it('reports an answer that breaks off', async () => {
    const { port } = await listen((_request, response) => {
      response.write('{"containers":', () => response.destroy());
    });
    expect(await failureOf(directoryOf(port).list())).toMatchObject({
      message: `GhostWire broke off its answer (ECONNRESET): 127.0.0.1 port ${port}`,
      reason: 'failed',
    });
  });

  it('reports that the service cannot be reached', async () => {
    const { port } = await listen(mobyshark([]));
    await server!.close();
    expect(await failureOf(directoryOf(port).list())).toMatchObject({
      message: `GhostWire cannot be reached (ECONNREFUSED): 127.0.0.1 port ${port}`,
      reason: 'unreachable',
    });
    expect(
      await failureOf(directoryOf(5000, { ghostwireHost: 'no-such-host.invalid' }).list()),
    ).toMatchObject({
      message: expect.stringMatching(/^GhostWire cannot be reached \(E/),
      reason: 'unreachable',
    });
  });

  it('reports an answer that is not HTTP', async () => {
    const other: Server = createServer((socket) => socket.end('SSH-2.0-OpenSSH\r\n'));
    other.listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const failure = await failureOf(directoryOf(port).list());
    other.close();
    expect(failure).toMatchObject({ message: expect.stringContaining('HPE_INVALID'), reason: 'failed' });
  });

  it('accepts an IPv6 address with or without brackets', async () => {
    const failures = await Promise.all(
      ['::1', '[::1]'].map((ghostwireHost) => failureOf(directoryOf(1, { ghostwireHost }).list())),
    );
    for (const { message } of failures) expect(message).toMatch(/ECONNREFUSED|EADDRNOTAVAIL|ENETUNREACH/);
  });
});
