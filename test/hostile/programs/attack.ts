/**
 * One attack of attacks.ts on the service at a port of 127.0.0.1, until SIGTERM. In a process of its own, an attacker costs
 * the test that measures the service no time.
 *
 * Usage: node --experimental-transform-types --import ./bench/resolve-typescript.mjs attack.ts NAME PORT
 */
import { NetworkNamespace } from '../../kit/namespace.js';
import { CaptureClient } from '../../kit/capture-client.js';
import * as attacks from '../attacks.js';

const [name = '', port = ''] = process.argv.slice(2);
const service = { log: '', url: (path: string, scheme: string) => `${scheme}://127.0.0.1:${port}${path}` };
const end = new AbortController();
process.once('SIGTERM', () => end.abort());

const ATTACKS: Readonly<Record<string, () => attacks.Attack | Promise<attacks.Attack>>> = {
  'open and abort': async () => attacks.openAndAbort(made.use(await attacks.crowdedNamespace())),
  renames: async () => {
    const namespace = made.use(await attacks.crowdedNamespace());
    const from = { countOnly: true, localAddress: '127.0.0.20' };
    made.use(await CaptureClient.open(service, { netns: namespace.inode }, from));
    return attacks.renameInterfaces(namespace);
  },
  filters: async () => attacks.endlessFilters((await wired()).inode, 230),
  pings: async () => attacks.pings((await wired()).inode, 20),
  searches: () => attacks.searches,
  'slow headers': () => attacks.slowHeaders(512),
  rebinding: () => attacks.rebinding,
  'look-ups': () => attacks.lookUps,
  'alternative names': () => attacks.alternativeNames,
  'silent mounts': () => attacks.silentMounts,
};

async function wired(): Promise<NetworkNamespace> {
  const namespace = made.use(await NetworkNamespace.create());
  await namespace.addWire('eth0', 'eth1');
  return namespace;
}

await using made = new AsyncDisposableStack();
const attack = await ATTACKS[name]?.();
if (!attack) throw new Error(`no attack is called ${name}`);
console.log('ready');
await attack(service, end.signal);
