import { GhostwireServer, mobyshark } from '../../test/fixtures/ghostwire-server.js';
import { NetworkNamespace } from '../../test/kit/namespace.js';
import { PacketSender } from '../../test/kit/packets.js';
import { Service } from '../../test/kit/service.js';
import type { Random } from '../../test/kit/random.js';

/** Packets of the steady load: few, so that a day of them costs little. */
const STEADY_PER_SECOND = 25;
const BUSY_PER_SECOND = 100;

/** What the load acts on: the service, a directory that it asks, and two namespaces with packets in them. */
export interface World extends AsyncDisposable {
  readonly random: Random;
  readonly service: Service;
  readonly ghostwire: GhostwireServer;
  /** From `eth0` to `eth1` a packet every now and then; nobody but the steady captures looks at it. */
  readonly steady: NetworkNamespace;
  /** The same, for captures that come and go. */
  readonly busy: NetworkNamespace;
}

export async function createWorld(random: Random): Promise<World> {
  await using made = new AsyncDisposableStack();
  const ghostwire = await new GhostwireServer(mobyshark([])).listen();
  made.defer(() => ghostwire.close());
  const [steady, busy] = [
    made.use(await NetworkNamespace.create()),
    made.use(await NetworkNamespace.create()),
  ];
  for (const namespace of [steady, busy]) await namespace.addWire('eth0', 'eth1');
  const order = { interface: 'eth0', sizes: [100, 400] };
  made.use(await PacketSender.start(steady, { ...order, ratePerSecond: STEADY_PER_SECOND }));
  made.use(await PacketSender.start(busy, { ...order, ratePerSecond: BUSY_PER_SECOND }));
  const service = made.use(await Service.start(['--gw-port', String(ghostwire.port)]));
  const resources = made.move();
  return { random, service, ghostwire, steady, busy, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}
