import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough } from 'node:stream';
import { accessTo } from './service-access.js';
import { listTargets, urlBeside } from './target-list.js';

const WEB = {
  ...{ name: 'web', prefix: '', type: 'docker', node: 'here', netns: 5, pid: 7, starttime: 9 },
  ...{ interfaces: ['lo', 'eth0'], labels: {}, namespace: '', project: 'shop', image: 'web:1' },
};
const INNER = { ...WEB, name: 'a\nb', prefix: 'dind', project: '', image: '' };

async function printed(
  answer: RequestListener,
  options: { watch?: boolean; json?: boolean } = {},
): Promise<string> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = new URL(`ws://me:secret@127.0.0.1:${(server.address() as AddressInfo).port}/capture`);
  const out = new PassThrough({ encoding: 'utf8' });
  try {
    await listTargets(accessTo(url), { watch: false, json: false, ...options }, out);
  } finally {
    server.close();
    server.closeAllConnections();
  }
  return (out.read() as string | null) ?? '';
}

describe('The command "list"', () => {
  it('prints a table, with the password of the URL', async () => {
    const seen: (string | undefined)[] = [];
    const text = await printed((request, response) => {
      seen.push(request.url, request.headers.authorization, request.headers.accept);
      response.end(JSON.stringify({ targets: [WEB, INNER] }));
    });
    expect(text).toBe(
      'TYPE    NAME         PROJECT  INTERFACES  IMAGE\n' +
        'docker  a\ufffdb in dind           lo eth0\n' +
        'docker  web          shop     lo eth0     web:1\n',
    );
    expect(seen).toEqual([
      '/targets',
      `Basic ${Buffer.from('me:secret').toString('base64')}`,
      'application/json',
    ]);
  });

  it('prints JSON', async () => {
    const document = JSON.stringify({ targets: [WEB] });
    expect(await printed((_, response) => response.end(document), { json: true })).toBe(`${document}\n`);
  });

  it.each([
    [
      false,
      'TYPE    NAME  PROJECT  INTERFACES  IMAGE\ndocker  web   shop     lo eth0     web:1\n- docker  web  shop  lo eth0  web:1\n',
    ],
    [
      true,
      `{"event":"snapshot","targets":[${JSON.stringify(WEB)}]}\n{"event":"removed","targets":[${JSON.stringify(WEB)}]}\n`,
    ],
  ])('prints changes (JSON: %s)', async (json, expected) => {
    const data = JSON.stringify({ targets: [WEB] });
    const events = `retry: 2000\n\nevent: snapshot\nid: 1\ndata: ${data}\n\n: heartbeat\n\nevent: removed\nid: 2\ndata: ${data}\n\n`;
    const text = await printed(
      (_, response) => {
        for (const part of [events.slice(0, 50), events.slice(50)]) response.write(part);
        response.end();
      },
      { watch: true, json },
    );
    expect(text).toBe(expected);
  });

  it('says which status the service answered with', async () => {
    await expect(printed((_, response) => response.writeHead(503).end())).rejects.toThrow(/HTTP status 503/);
    const answer = '{"statusCode":403,"code":"forbidden","message":"not for alice"}';
    await expect(printed((_, response) => response.writeHead(403).end(answer))).rejects.toThrow(
      /HTTP status 403, not for alice$/,
    );
  });

  it.each([
    ['ws://host:5001/capture?x=1', 'http://host:5001/targets'],
    ['wss://host/packetflix/capture', 'https://host/packetflix/targets'],
    ['ws://host/discover/capture', 'http://host/targets'],
  ])('asks beside the path of captures: %s', (capture, targets) => {
    expect(urlBeside(new URL(capture), 'targets').href).toBe(targets);
  });
});
