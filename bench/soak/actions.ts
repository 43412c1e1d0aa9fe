import { setTimeout as sleep } from 'node:timers/promises';
import { CaptureClient, type CaptureParameters } from '../../test/kit/capture-client.js';
import { Download } from '../../test/kit/download.js';
import { NetworkNamespace } from '../../test/kit/namespace.js';
import { sendPackets, tagOf } from '../../test/kit/packets.js';
import { sendTagged } from '../../test/kit/tagged-datagram.js';
import type { SoakEnvironment } from './soak-environment.js';

/** What a client does. Resolves with the outcome and rejects if the service did not behave as documented. */
export type Action = (environment: SoakEnvironment) => Promise<string>;

const FILTERS = ['', '', '', '', 'udp', 'udp port 9', 'not tcp', 'vlan 7 or udp'];
const BURST = { interface: 'eth0', count: 15_000, sizes: [1_400], flow: 77 };
const STALL_MS = 4_000;
const STATISTICS_WITHIN_MS = 5_000;
let lastFlow = 1_000;

/** A short capture that ends with a close handshake, with an unusual code, or with a cut connection. */
export async function captureBriefly({ service, busy, random }: SoakEnvironment): Promise<string> {
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
  if (random.chance(0.4)) return 'connection cut';
  const code = random.pick([1000, 1001, 4000]);
  const answer = await client.close(code, 'ciao');
  if (answer.code !== code) throw new Error(`closed with ${code}, answered ${answer.code}`);
  return 'closed';
}

/** A download that ends at a limit, by request, or because its client goes away, perhaps while it does not read. */
export async function downloadBriefly({ service, busy, random }: SoakEnvironment): Promise<string> {
  const limit = random.chance(0.3) ? `&max-packets=${Math.round(random.between(1, 500))}` : '';
  using download = await Download.open(
    service.url(`/capture.pcapng?netns=${busy.inode}&nif=eth1&direction${limit}`),
  );
  await download.described('eth1');
  if (limit !== '') {
    await download.ended;
    download.complete();
    return 'limit reached';
  }
  if (random.chance(0.3)) download.response.pause();
  await sleep(random.between(0, 3_000));
  if (random.chance(0.5)) return 'connection cut';
  download.response.resume();
  const name = await nameOfDownload(service, download);
  const { status } = await fetch(service.url(`/captures/${name}`), { method: 'DELETE' });
  if (status !== 204) throw new Error(`DELETE of a running download answers ${status}`);
  await download.ended;
  download.complete();
  return 'ended by request';
}

/** The stream has the name of the capture, in its second comment. */
async function nameOfDownload(service: SoakEnvironment['service'], download: Download): Promise<string> {
  const [section] = download.blocks;
  const comments = section?.kind === 'section' ? section.comments : [];
  const name = /^capture: ([a-z-]+)$/m.exec(comments[1] ?? '')?.[1] ?? '';
  const { captures } = (await (await fetch(service.url('/captures'))).json()) as {
    captures: { name: string }[];
  };
  if (!captures.some((each) => each.name === name)) throw new Error(`/captures does not list ${name}`);
  return name;
}

/** A capture by a ticket, which nothing that the client says can change. */
export async function captureByTicket({ service, busy, random }: SoakEnvironment): Promise<string> {
  const response = await fetch(service.url('/tickets'), {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ netns: busy.inode, nif: 'eth1', lifetime: 60 }),
  });
  const { path } = (await response.json()) as { path: string };
  await using client = await CaptureClient.open(
    service,
    { netns: 1, nif: 'eth0' },
    { path, countOnly: true },
  );
  await client.described('eth1');
  await sleep(random.between(0, 2_000));
  await client.close(1000, 'ciao');
  return 'closed';
}

/** A client that stops reading during a burst that exceeds all buffers, and then resumes. */
export async function stallClient({ service, busy }: SoakEnvironment): Promise<string> {
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
  await client.until('statistics', dropped, STATISTICS_WITHIN_MS).catch(() => undefined);
  await client.close();
  return dropped() ? 'drops reported' : 'nothing dropped';
}

/** A namespace that is created, captured from and removed; the kernel soon reuses its inode number. */
export async function captureEndingNamespace({ service, random }: SoakEnvironment): Promise<string> {
  const flow = ++lastFlow;
  await using namespace = await NetworkNamespace.create();
  await namespace.setUp('lo');
  await using client = await CaptureClient.open(service, { netns: namespace.inode });
  await client.described('lo');
  await sendTagged(namespace, flow);
  await client.received(1, flow);
  const foreign = client.packets.filter(({ data }) => (tagOf(data)?.flow ?? flow) !== flow);
  if (foreign.length > 0) throw new Error(`${foreign.length} packets of another namespace`);
  if (random.chance(0.5)) return 'left before the namespace ended';
  await namespace.end();
  const { code } = await client.ended(15_000);
  if (code !== 1000) throw new Error(`the namespace ended, the capture with ${code}`);
  return 'ended with the namespace';
}

/** A plain HTTP request. */
export async function requestVersion({ service }: SoakEnvironment): Promise<string> {
  const response = await fetch(service.url('/version'), { signal: AbortSignal.timeout(5_000) });
  if (!response.ok) throw new Error(`/version answers ${response.status}`);
  await response.text();
  return 'answered';
}
