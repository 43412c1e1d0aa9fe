import { setTimeout as delay } from 'node:timers/promises';
import { jest } from '@jest/globals';
import { CaptureClient } from '../kit/capture-client.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { sendPackets } from '../kit/packets.js';
import { describeAsRoot } from '../kit/root.js';
import { Service } from '../kit/service.js';
import { describeWithProxies, RECIPES, TlsProxy, WITH_PASSWORD } from './kit/tls-proxy.js';

const QUIET_MS = 10 * 60_000;

/** When it last ran is in docs/deployment.md. */
describeAsRoot('A quiet capture behind a TLS proxy', () => {
  jest.setTimeout(QUIET_MS + 2 * 60_000);

  /** All at the same time: they are quiet. */
  const quietCaptures = new Map<string, Promise<void>>();

  describeWithProxies('$proxy, as its shipped configuration has it', RECIPES, (recipe) => {
    beforeAll(() => {
      for (const each of RECIPES) {
        const quiet = quietCaptures.get(each.name) ?? staysUp(each);
        quiet.catch(() => undefined); // its own test tells
        quietCaptures.set(each.name, quiet);
      }
    });

    it('stays up for 10 minutes, and then delivers what comes', async () => {
      await quietCaptures.get(recipe.name);
    });
  });
});

async function staysUp(recipe: (typeof RECIPES)[number]): Promise<void> {
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
