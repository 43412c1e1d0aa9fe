import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { parse } from 'yaml';
import { CaptureClient, type ClientOptions } from '../kit/capture-client.js';
import { eventually } from '../kit/eventually.js';
import type { NetworkNamespace } from '../kit/namespace.js';
import { sendPackets } from '../kit/packets.js';
import { freePort } from '../kit/service.js';
import { caddyRecipe } from '../proxy/kit/recipes/caddy-recipe.js';
import { describeWithProxies } from '../proxy/kit/tls-proxy.js';
import { ComposeProject } from './compose-project.js';
import { describeWithImage, dockerWithImage } from './describe-with-image.js';
import { CADDY_IMAGE, GHOSTWIRE_IMAGE, makeCaddyImage, makeGhostwireImage } from './neighbour-images.js';

/** Other test files start containers at the same time: names must differ. */
const NAME = 'stacked';
const START_TIMEOUT_MS = 120_000;
const AUTHORITY = '/data/caddy/pki/authorities/local/root.crt';
const PASSWORD = 'secret: "and" $pecial';
const AUTHORIZATION = `Basic ${Buffer.from(`packetflix:${PASSWORD}`).toString('base64')}`;

describeWithImage('The service in a Compose project with other services', () => {
  const container = dockerWithImage();
  let web: NetworkNamespace;
  beforeAll(async () => {
    await container.runtime.start(NAME);
    web = await container.runtime.wiredNamespaceOf(NAME);
  }, START_TIMEOUT_MS);

  /** Captures all packets sent in the container; returns the second comment of the stream. */
  async function captureWeb(port: number, options: ClientOptions): Promise<unknown> {
    const service = {
      log: '',
      url: (path: string, scheme: string) => `${scheme}://127.0.0.1:${port}${path}`,
    };
    const target = { container: { name: NAME, type: 'docker' }, nif: 'eth1' };
    await using client = await CaptureClient.open(service, target, options);
    await client.described('eth1');
    await sendPackets(web, { interface: 'eth0', count: 100 });
    await client.received(100);
    expect(await client.close(1000, 'ciao')).toEqual({ code: 1000, reason: 'ciao' });
    return parse(client.comments[1] ?? '');
  }

  describeWithProxies('behind $proxy', [caddyRecipe], () => {
    it(
      'delivers captures of another container to clients with the password and refuses all others',
      async () => {
        await makeCaddyImage(container.runtime);
        const port = await freePort();
        await using project = await ComposeProject.up(container.runtime, 'compose.tls.yaml', {
          CADDY_IMAGE,
          PACKETFLIX_PASSWORD: PASSWORD,
          PACKETFLIX_TLS_PORT: String(port),
        });
        const certificate = await eventually(
          'a certificate of the local authority',
          () => project.exec('caddy', 'busybox', 'cat', AUTHORITY),
          START_TIMEOUT_MS,
        ).catch(async (cause: unknown) => {
          throw new Error(await project.log(), { cause });
        });
        const url = `https://localhost:${port}/packetflix`;
        await eventually(
          'the service to answer',
          async () => (await statusOf(`${url}/readyz`, certificate, AUTHORIZATION)) === 200,
          START_TIMEOUT_MS,
        );

        expect(await statusOf(`${url}/version`, certificate)).toBe(401);
        expect(await statusOf(`${url}/discover/mobyshark`, certificate, 'Basic eDp5')).toBe(401);
        const comment = await captureWeb(port, {
          headers: { Authorization: AUTHORIZATION },
          through: { url: url.replace('https', 'wss'), certificate },
        });
        expect(comment).toMatchObject({ 'excluded-endpoints': ['5001', String(port)] });
      },
      3 * START_TIMEOUT_MS,
    );
  });

  it(
    'serves the page of GhostWire and finds targets by the names that GhostWire lists',
    async () => {
      const port = await freePort();
      await makeGhostwireImage(container.runtime, [
        { name: NAME, type: 'docker', netns: web.inode, 'network-interfaces': ['eth0', 'eth1'], prefix: '' },
      ]);
      await using project = await ComposeProject.up(container.runtime, 'compose.ghostwire.yaml', {
        GHOSTWIRE_IMAGE,
        PACKETFLIX_PORT: String(port),
      });
      const page = await eventually(
        "GhostWire's page",
        async () => {
          const answer = await fetch(`http://127.0.0.1:${port}/`);
          return answer.ok && (await answer.text());
        },
        START_TIMEOUT_MS,
      ).catch(async (cause: unknown) => {
        throw new Error(await project.log(), { cause });
      });

      expect(page).toContain('GhostWire');
      const comment = await captureWeb(port, {});
      expect(comment).toMatchObject({ 'network-namespace': { inode: web.inode } });
    },
    3 * START_TIMEOUT_MS,
  );
});

async function statusOf(url: string, certificate: string, authorization?: string): Promise<number> {
  const headers = authorization === undefined ? {} : { Authorization: authorization };
  const request = httpsRequest(url, { ca: certificate, headers, agent: false, family: 4 });
  request.end();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  response.resume();
  return response.statusCode ?? 0;
}
