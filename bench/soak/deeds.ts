import { setTimeout as sleep } from 'node:timers/promises';
import { CaptureClient, type CaptureParameters } from '../../test/kit/capture-client.js';
import { NetworkNamespace } from '../../test/kit/namespace.js';
import { sendPackets, tagOf } from '../../test/kit/packets.js';
import { sendTagged } from '../../test/kit/tagged-datagram.js';
import type { World } from './world.js';

/** Something that clients do. It gives what came of it, and throws when the service did not do as it should. */
export type Deed = (world: World) => Promise<string>;

const FILTERS = ['', '', '', '', 'udp', 'udp port 9', 'not tcp', 'vlan 7 or udp'];
const BURST = { interface: 'eth0', count: 15_000, sizes: [1_400], flow: 77 };
const STALL_MS = 4_000;
const TOLD_WITHIN_MS = 5_000;
let lastFlow = 1_000;

/** A capture for a moment, ended as clients end: in order, for another reason, or without a word. */
export async function comeAndGo({ service, busy, random }: World): Promise<string> {
  const request: CaptureParameters = {
    ...(random.chance(0.5) ? { netns: busy.inode } : { container: { netns: busy.inode } }),
    nif: random.pick(['eth1', 'eth0/eth1', 'eth1/missing0', 'all']),
    filter: random.pick(FILTERS),
    chaste: random.chance(0.2),
  };
  await using client = await CaptureClient.open(service, request, { countOnly: true });
  if (random.chance(0.1)) return 'left at once';
  await client.described('eth1');
  if (random.chance(0.7) && !request.filter?.startsWith('vlan')) await client.received(1);
  await sleep(random.between(0, 3_000));
  if (random.chance(0.4)) return 'left without a word';
  const code = random.pick([1000, 1001, 4000]);
  const answer = await client.close(code, 'ciao');
  if (answer.code !== code) throw new Error(`closed with ${code}, answered ${answer.code}`);
  return 'closed';
}

/** A client that stops reading during a burst that fits nowhere, and comes back. */
export async function stall({ service, busy }: World): Promise<string> {
  await using client = await CaptureClient.open(
    service,
    { netns: busy.inode, nif: 'eth1' },
    { countOnly: true },
  );
  await client.described('eth1');
  client.stall();
  await sendPackets(busy, BURST);
  await sleep(STALL_MS);
  client.resume();
  const seen = client.packetCounts.get('eth1') ?? 0;
  await client.until('packets after the stall', () => (client.packetCounts.get('eth1') ?? 0) > seen + 100);
  if (client.disorder > 0) throw new Error(`${client.disorder} packets out of order after a stall`);
  const dropped = () => (client.statistics.at(-1)?.droppedBySystem ?? 0n) > 0n;
  await client.until('statistics', dropped, TOLD_WITHIN_MS).catch(() => undefined);
  await client.close();
  return dropped() ? 'dropped, and told so' : 'nothing dropped';
}

/** A namespace that is made, captured from and removed; its number is soon another's. */
export async function churn({ service, random }: World): Promise<string> {
  const flow = ++lastFlow;
  await using namespace = await NetworkNamespace.create();
  await namespace.setUp('lo');
  await using client = await CaptureClient.open(service, { netns: namespace.inode });
  await client.described('lo');
  await sendTagged(namespace, flow);
  await client.received(1, flow);
  const strange = client.packets.filter(({ data }) => (tagOf(data)?.flow ?? flow) !== flow);
  if (strange.length > 0) throw new Error(`${strange.length} packets of another namespace`);
  if (random.chance(0.5)) return 'left before it';
  await namespace.end();
  const { code } = await client.ended(15_000);
  if (code !== 1000) throw new Error(`the namespace ended, the capture with ${code}`);
  return 'ended with it';
}

/** Somebody who only looks. */
export async function visit({ service }: World): Promise<string> {
  const response = await fetch(service.url('/version'), { signal: AbortSignal.timeout(5_000) });
  if (!response.ok) throw new Error(`/version answers ${response.status}`);
  await response.text();
  return 'answered';
}
