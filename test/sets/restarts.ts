import { CaptureClient } from '../kit/capture-client.js';
import { heldNamespaces } from '../kit/held-namespaces.js';
import { sendPackets } from '../kit/packets.js';
import type { Service } from '../kit/service.js';
import { type Resources } from '../kit/service.js';
import { NamedProcess } from './set-members.js';

/** Lives at the same time. */
const PARALLEL = 5;
const WARM_UP = 16;
const JOIN_TIMEOUT_MS = 20_000;

/** What `restart` has seen. */
export interface RestartReport {
  /** Descriptors of all processes, except those of threads. */
  readonly descriptorsBefore: number;
  readonly descriptorsAfter: number;
  readonly residentKiB: number;
  /** Lives with packets in the stream. */
  readonly lives: number;
  /** Packets at an interface of another life than the one that sent them. */
  readonly foreign: number;
}

/** Has members of a set start and end again and again, each in a new namespace, and send one packet in each life. */
export async function restart(service: Service, count: number): Promise<RestartReport> {
  await using witness = await NamedProcess.start('life-0');
  const targets = JSON.stringify([{ type: 'proc', name: 'life-*' }]);
  await using client = await CaptureClient.open(service, { targets, nif: 'eth1' });
  await client.described(witness.nameOf('eth1'));
  await live(client, 0, witness);
  await warmUp(client);
  const before = descriptorsOf(await service.resourcesAtRest());
  let next = 1;
  const nameOf = new Map<number, string>([[0, witness.nameOf('eth1')]]);
  const worker = async (): Promise<void> => {
    while (next <= count) {
      const flow = next++;
      await using member = await NamedProcess.start(`life-${flow}`);
      nameOf.set(flow, member.nameOf('eth1'));
      await live(client, flow, member);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
  const after = await service.resourcesAtRest();
  const held = heldNamespaces(service.processes()).filter((inode) => inode !== witness.namespace.inode);
  expect(held).toEqual([]);

  let [lives, foreign] = [0, 0];
  for (const [flow, name] of nameOf) {
    const packets = client.tagged(flow);
    if (packets.length > 0) lives++;
    foreign += packets.filter((packet) => packet.interface.name !== name).length;
  }
  const { residentKiB } = after;
  return { descriptorsBefore: before, descriptorsAfter: descriptorsOf(after), residentKiB, lives, foreign };
}

/** An opener thread has an event loop and a namespace. When it is started depends on how busy the machine is. */
const DESCRIPTORS_PER_THREAD = 6;

function descriptorsOf({ descriptors, threads }: Resources): number {
  return descriptors - DESCRIPTORS_PER_THREAD * threads;
}

/** The engine starts a thread for each of eight interfaces that are opened at the same time, and keeps it. */
async function warmUp(client: CaptureClient): Promise<void> {
  const numbers = Array.from({ length: WARM_UP }, (_, index) => index);
  await using members = new AsyncDisposableStack();
  const started = await Promise.all(numbers.map((each) => NamedProcess.start(`life-w${each}`)));
  for (const each of started) members.use(each);
  const names = started.map((each) => each.nameOf('eth1'));
  await client.until(
    'the warm-up',
    () => names.every((name) => client.interfaceNames.includes(name)),
    JOIN_TIMEOUT_MS,
  );
}

async function live(client: CaptureClient, flow: number, member: NamedProcess): Promise<void> {
  const name = member.nameOf('eth1');
  await client.until(name, () => client.interfaceNames.includes(name), JOIN_TIMEOUT_MS);
  await sendPackets(member.namespace, { interface: 'eth0', count: 1, flow });
  await client.received(1, flow);
}
