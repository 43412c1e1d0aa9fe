import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { jest } from '@jest/globals';
import { CaptureClient } from '../kit/capture-client.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { sendPackets } from '../kit/packets.js';
import { describeAsRoot } from '../kit/root.js';
import { Service } from '../kit/service.js';
import { describeWithProxies, RECIPES, TlsProxy, WITH_PASSWORD } from './kit/tls-proxy.js';

const QUIET_MS = 10 * 60_000;

/** docs/deployment.md says when this test was last run. */
describeAsRoot('A quiet capture through the TLS proxy', () => {
  jest.setTimeout(QUIET_MS + 2 * 60_000);

  /** The captures and downloads of all proxies run at the same time. */
  const quietCaptures = new Map<string, Promise<void>>();

  describeWithProxies('$proxy with its shipped configuration', RECIPES, (recipe) => {
    beforeAll(() => {
      for (const each of RECIPES) {
        const quiet = quietCaptures.get(each.name) ?? bothStayOpen(each);
        quiet.catch(() => undefined); // the test of this proxy reports the failure
        quietCaptures.set(each.name, quiet);
      }
    });

    it('stays open for 10 minutes and then delivers packets, and so does a download', async () => {
      await quietCaptures.get(recipe.name);
    });
  });
});

async function bothStayOpen(recipe: (typeof RECIPES)[number]): Promise<void> {
  await Promise.all([staysOpen(recipe), downloadStaysOpen(recipe)]);
}

/** A download has no pings: nothing at all is transferred meanwhile. */
async function downloadStaysOpen(recipe: (typeof RECIPES)[number]): Promise<void> {
  const server = createServer((_, response) => {
    response.writeHead(200, { 'Content-Type': 'application/vnd.tcpdump.pcap', Connection: 'close' });
    response.write('first');
    setTimeout(() => response.end('last'), QUIET_MS);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  await using proxy = await TlsProxy.before((server.address() as AddressInfo).port, recipe);
  const answer = await proxy.get('/capture.pcapng?netns=5', WITH_PASSWORD);
  expect(answer).toMatchObject({ status: 200, body: 'firstlast' });
  server.close();
}

async function staysOpen(recipe: (typeof RECIPES)[number]): Promise<void> {
  await using service = await Service.start();
  await using proxy = await TlsProxy.before(service.port, recipe);
  await using namespace = await NetworkNamespace.create();
  await namespace.addWire('eth0', 'eth1');
  const request = { netns: namespace.inode, nif: 'eth1' };
  await using client = await CaptureClient.open(service, request, {
    headers: WITH_PASSWORD,
    through: proxy.relay,
  });
  await client.described('eth1');

  await delay(QUIET_MS);

  expect(client.closing).toBeUndefined();
  expect(client.packets).toEqual([]);
  await sendPackets(namespace, { interface: 'eth0', count: 10 });
  await client.received(10);
  expect(await client.close(1000, 'ciao')).toEqual({ code: 1000, reason: 'ciao' });
}
