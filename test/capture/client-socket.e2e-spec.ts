import { setTimeout as sleep } from 'node:timers/promises';
import { EngineCaptureProvider } from '../../src/server/engine-client/engine-capture-provider.js';
import { LivenessTiming } from '../../src/server/capture/liveness/client-liveness.js';
import { Engine } from '../kit/engine.js';
import { eventually } from '../kit/eventually.js';
import { clientFrame, FrameReader } from '../kit/frame-reader.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { PacketSender, tagOf } from '../kit/packets.js';
import { PcapngReader } from '../kit/pcapng.js';
import { RawConnection, handshake } from '../kit/raw-connection.js';
import { describeAsRoot } from '../kit/root.js';
import { AS_OLDER_KERNEL } from '../kit/service.js';
import { ServerUnderTest } from '../server/server-under-test.js';

/** How the stream reaches the client: written by the engine, or, where pidfd_getfd(2) is missing, by the server. */
const PATHS = [
  ['directly', []],
  ['by way of the server', [process.execPath, AS_OLDER_KERNEL, 'linux-5.4']],
] as const;

const RATE = 20_000;
const PING_INTERVAL_MS = 10;
const SERVICE_PING_INTERVAL_MS = 100;
const LOAD_MS = 4_000;

describeAsRoot('A stream that reaches the client', () => {
  describe.each(PATHS)('%s', (path, wrapper) => {
    it('consists of whole frames, whatever the client and the service send in between', async () => {
      await using setting = await Setting.create(wrapper);
      using client = await StrictClient.open(setting);
      await eventually('the interface', () => client.blocks >= 2);
      await using load = await PacketSender.start(setting.namespace, {
        interface: 'eth0',
        ratePerSecond: RATE,
      });
      let pings = 0;
      for (const end = performance.now() + LOAD_MS; performance.now() < end; await sleep(PING_INTERVAL_MS)) {
        client.connection.send(clientFrame('ping', String(pings++)));
        // Now and then the client stops reading, for longer each time.
        if (pings % 100 === 40) client.connection.socket.pause();
        if (pings % 100 === 70) client.connection.socket.resume();
      }
      client.connection.socket.resume();
      const sent = await load.stop();
      await eventually('all packets', () => client.packets + client.dropped >= sent, 20_000);
      client.connection.send(clientFrame('close', Buffer.of(3, 232)));
      await client.connection.ended;

      expect(client.problem).toBeUndefined();
      expect(client.packets + client.dropped).toBe(sent);
      expect(client.pongs).toEqual(Array.from({ length: pings }, (_, index) => String(index)));
      expect(client.pings).toBeGreaterThan((LOAD_MS / SERVICE_PING_INTERVAL_MS) * 0.2);
      expect(client.closeCode).toBe(1000);
      expect(client.frames.incompleteBytes).toBe(0);
    });

    it.each([
      ['the client closes', [clientFrame('close', Buffer.of(3, 232))], 1000],
      ['the client sends too much', Array.from({ length: 600 }, () => clientFrame('ping')), 1008],
      ['the client violates the protocol', [Buffer.of(0xff, 0xff)], 1002],
    ])('has nothing after the close frame when %s under load', async (_, frames, code) => {
      await using setting = await Setting.create(wrapper);
      using client = await StrictClient.open(setting);
      await eventually('the interface', () => client.blocks >= 2);
      await using load = await PacketSender.start(setting.namespace, {
        interface: 'eth0',
        ratePerSecond: RATE,
      });
      await eventually('packets', () => client.packets > RATE / 10);
      client.answersClose = false;
      client.connection.send(...frames);
      await eventually('the close frame', () => client.closeCode !== undefined);
      await sleep(500);
      await load.stop();
      expect(client.problem).toBeUndefined();
      expect(client.closeCode).toBe(code);
    });

    it('ends with 1011 when the engine dies between two frames', async () => {
      await using setting = await Setting.create(wrapper);
      using client = await StrictClient.open(setting);
      await eventually('the interfaces', () => client.blocks >= 2);
      setting.engine.signal('SIGKILL');
      await client.connection.ended;
      expect(client.problem).toBeUndefined();
      expect(client.closeCode).toBe(1011);
    });

    it('has whole frames up to the close when the service ends it while the client does not read', async () => {
      await using setting = await Setting.create(wrapper);
      await using load = await PacketSender.start(setting.namespace, { interface: 'eth0', sizes: [1_400] });
      using client = await StrictClient.open(setting);
      await eventually('packets', () => client.packets > 0);
      client.connection.socket.pause();
      await sleep(2_000);
      client.connection.send(...Array.from({ length: 600 }, () => clientFrame('ping')));
      await sleep(500);
      client.connection.socket.resume();
      await client.connection.ended;
      await load.stop();
      expect(client.problem).toBeUndefined();
      expect(client.closeCode).toBe(1008);
    });

    if (path !== 'directly') return;

    it('is cut, without a close, when the engine dies within a frame', async () => {
      await using setting = await Setting.create(wrapper);
      await using load = await PacketSender.start(setting.namespace, { interface: 'eth0', sizes: [1_400] });
      using client = await StrictClient.open(setting);
      await eventually('packets', () => client.packets > 0);
      client.connection.socket.pause();
      await sleep(2_000);
      setting.engine.signal('SIGKILL');
      await sleep(500);
      client.connection.socket.resume();
      await client.connection.ended;
      await load.stop();
      expect(client.problem).toBeUndefined();
      expect(client.closeCode).toBeUndefined();
      expect(client.frames.incompleteBytes).toBeGreaterThan(0);
    });
  });
});

/** A server in this process, an engine, and a namespace with the interfaces eth0 and eth1. */
class Setting implements AsyncDisposable {
  private constructor(
    readonly engine: Engine,
    readonly server: ServerUnderTest,
    readonly namespace: NetworkNamespace,
    private readonly made: AsyncDisposableStack,
  ) {}

  static async create(wrapper: readonly string[]): Promise<Setting> {
    await using made = new AsyncDisposableStack();
    const namespace = made.use(await NetworkNamespace.create());
    await namespace.addWire('eth0', 'eth1');
    const engine = made.use(await Engine.start(wrapper));
    const provider = new EngineCaptureProvider({ engineSockets: [engine.socket] });
    const server = await ServerUnderTest.start(provider);
    made.defer(() => server.close());
    Object.assign(server.app.get(LivenessTiming), {
      pingIntervalMs: SERVICE_PING_INTERVAL_MS,
      pollIntervalMs: SERVICE_PING_INTERVAL_MS / 2,
    });
    return new Setting(engine, server, namespace, made.move());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.made.disposeAsync();
  }
}

/** A client that checks each byte: frames, pcapng, and the order of the packets at eth1. */
class StrictClient implements Disposable {
  /** The first violation. */
  problem: unknown;
  answersClose = true;
  blocks = 0;
  packets = 0;
  dropped = 0;
  pings = 0;
  readonly pongs: string[] = [];
  closeCode?: number;
  readonly frames: FrameReader;
  private readonly pcapng = new PcapngReader();
  private lastSequence = -1;

  private constructor(readonly connection: RawConnection) {
    this.frames = new FrameReader(({ type, payload }) => {
      if (type === 'binary') this.read(payload);
      else if (type === 'pong') this.pongs.push(String(payload));
      else if (type === 'ping') this.pings++;
      else this.closeCode = payload.readUInt16BE(0);
    });
  }

  static async open({ server, namespace }: Setting): Promise<StrictClient> {
    const connection = await RawConnection.upgraded(
      server.port,
      handshake(`/capture?netns=${namespace.inode}&nif=eth1`),
    );
    const client = new StrictClient(connection);
    connection.stream((bytes) => {
      try {
        if (client.problem === undefined) client.frames.push(bytes);
        if (client.answersClose && client.closeCode !== undefined)
          connection.send(clientFrame('close', Buffer.of(3, 232)));
      } catch (error) {
        client.problem = error;
      }
    });
    return client;
  }

  [Symbol.dispose](): void {
    this.connection[Symbol.dispose]();
  }

  private read(payload: Buffer): void {
    for (const block of this.pcapng.push(payload)) {
      this.blocks++;
      if (block.kind === 'statistics') this.dropped = Number(block.droppedBySystem ?? 0n);
      if (block.kind !== 'packet') continue;
      const tag = tagOf(block.data);
      if (!tag) continue;
      if (tag.sequence <= this.lastSequence)
        throw new Error(`packet ${tag.sequence} after ${this.lastSequence}`);
      this.lastSequence = tag.sequence;
      this.packets++;
    }
  }
}
