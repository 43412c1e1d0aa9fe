import { GhostwireServer, mobyshark } from '../../test/fixtures/ghostwire-server.js';
import { startAllProcesses } from '../../test/kit/all-processes.js';
import { NetworkNamespace } from '../../test/kit/namespace.js';
import { PacketSender } from '../../test/kit/packets.js';
import { Service } from '../../test/kit/service.js';
import type { Random } from '../../test/kit/random.js';

/** Rate of the steady captures: low, so that a day of them costs little. */
const STEADY_PER_SECOND = 25;
const BUSY_PER_SECOND = 100;

/** What the workload acts on: the service, a directory that it queries, and two namespaces with traffic. */
export interface SoakEnvironment extends AsyncDisposable {
  readonly random: Random;
  readonly service: Service;
  readonly ghostwire: GhostwireServer;
  /** Traffic from `eth0` to `eth1`, which only the steady captures read. */
  readonly steady: NetworkNamespace;
  /** Traffic from `eth0` to `eth1` for short captures. */
  readonly busy: NetworkNamespace;
}

export async function createSoakEnvironment(random: Random): Promise<SoakEnvironment> {
  await using created = new AsyncDisposableStack();
  const ghostwire = await new GhostwireServer(mobyshark([])).listen();
  created.defer(() => ghostwire.close());
  const [steady, busy] = [
    created.use(await NetworkNamespace.create()),
    created.use(await NetworkNamespace.create()),
  ];
  for (const namespace of [steady, busy]) await namespace.addWire('eth0', 'eth1');
  const packets = { interface: 'eth0', sizes: [100, 400] };
  created.use(await PacketSender.start(steady, { ...packets, ratePerSecond: STEADY_PER_SECOND }));
  created.use(await PacketSender.start(busy, { ...packets, ratePerSecond: BUSY_PER_SECOND }));
  const service = created.use(await Service.start(['--gw-port', String(ghostwire.port)]));
  await startAllProcesses(service);
  const resources = created.move();
  return { random, service, ghostwire, steady, busy, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}
