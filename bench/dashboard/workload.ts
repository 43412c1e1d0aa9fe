import { setTimeout as sleep } from 'node:timers/promises';
import { CaptureClient } from '../../test/kit/capture-client.js';
import { NetworkNamespace } from '../../test/kit/namespace.js';
import { PacketSender } from '../../test/kit/packets.js';
import type { Service } from '../../test/kit/service.js';

const LOAD = [2_000, 8_000, 4_000];

/** Puts load on the service that makes every panel of the dashboard show data. */
export async function runWorkload(service: Service, seconds: number): Promise<void> {
  await using namespace = await NetworkNamespace.create();
  await namespace.addWire('g0', 'c0');
  const open = async (): Promise<CaptureClient> => {
    const parameters = { netns: namespace.inode, nif: 'c0' };
    const client = await CaptureClient.open(service, parameters, { countOnly: true });
    await client.described('c0');
    return client;
  };
  await using clients = new AsyncDisposableStack();
  const opened: CaptureClient[] = [];
  let sender = await PacketSender.start(namespace, { interface: 'g0', sizes: [600], ratePerSecond: LOAD[0] });
  for (let second = 0; second < seconds; second++) {
    const next = sleep(1_000);
    const part = second / seconds;
    if (part < 0.3 && second % 4 === 0) opened.push(clients.use(await open()));
    if (part > 0.75 && second % 5 === 0) await opened.pop()?.close();
    if (second % 6 === 0) await openRefused(service, { netns: 'nonsense' });
    if (second % 3 === 0) await openRefused(service, { container: { name: `nobody-${second}` } });
    if (second === Math.round(0.35 * seconds) || second === Math.round(0.7 * seconds)) {
      await sender.stop();
      const rate = LOAD[part < 0.5 ? 1 : 2];
      sender = await PacketSender.start(namespace, { interface: 'g0', sizes: [600], ratePerSecond: rate });
    }
    if (second === Math.round(0.45 * seconds)) opened[0]?.stall();
    if (second === Math.round(0.6 * seconds)) opened[0]?.resume();
    if (second === Math.round(0.65 * seconds)) killOneEngine(service);
    await next;
  }
  await sender.stop();
}

async function openRefused(
  service: Service,
  parameters: Parameters<typeof CaptureClient.open>[1],
): Promise<void> {
  await using client = await CaptureClient.open(service, parameters);
  await client.ended();
}

function killOneEngine(service: Service): void {
  const engine = service.processes().find(({ command }) => command.startsWith('packetflix: engine'));
  if (engine) process.kill(engine.pid, 'SIGKILL');
}
