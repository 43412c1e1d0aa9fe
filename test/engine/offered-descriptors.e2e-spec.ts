import { once } from 'node:events';
import { closeSync, fstatSync, openSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { PROTOCOL_VERSION } from '../../src/shared/protocol/protocol.js';
import type { EngineEvent } from '../../src/shared/protocol/protocol.js';
import { PLAIN_SPEC } from '../fixtures/capture-spec.js';
import { Child } from '../kit/child.js';
import { Engine } from '../kit/engine.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { PcapngReader } from '../kit/pcapng.js';
import { describeAsRoot } from '../kit/root.js';

/** Not open in this process, and that of a TCP connection in another one. */
const FOREIGN_DESCRIPTOR = 900;
/** Opens a TCP connection as FOREIGN_DESCRIPTOR, and waits. */
const HOLDER = `import socket, os, sys, time
connection = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
os.dup2(connection.fileno(), ${FOREIGN_DESCRIPTOR})
print('holding', flush=True)
time.sleep(60)`;

/** A process that pretends to be the server can make an engine write to its own TCP connections and to nothing else. */
describeAsRoot('An engine', () => {
  let engine: Engine;
  let namespace: NetworkNamespace;
  let listener: Server;
  const made = new AsyncDisposableStack();

  beforeAll(async () => {
    engine = made.use(await Engine.start());
    namespace = made.use(await NetworkNamespace.create());
    await namespace.addWire('eth0', 'eth1');
    listener = createServer().listen(0, '127.0.0.1');
    await once(listener, 'listening');
    made.defer(() => void listener.close());
  });
  afterAll(() => made.disposeAsync());

  it('writes to a TCP connection that it is offered', async () => {
    await using server = await PretendedServer.connect(engine);
    const [ours, peer] = await tcpConnection(listener);
    const { direct } = await server.start(namespace, descriptorOf(ours));
    expect(direct).toBe(true);
    // The head of an HTTP response would come first.
    const data = once(peer, 'data');
    expect(await Promise.race([data, sleep(300, 'nothing')])).toBe('nothing');
    server.deliver();
    const [bytes] = (await data) as [Buffer];
    expect([...new PcapngReader().push(bytes)].map(({ kind }) => kind)).toEqual([
      'section',
      'interface',
      'interface',
    ]);
    for (const socket of [ours, peer]) socket.destroy();
  });

  it('does not touch any other kind of descriptor', async () => {
    await using server = await PretendedServer.connect(engine);
    const file = openSync('/proc/self/status', 'r');
    const offers = {
      'no descriptor': 5_000,
      'a file': file,
      'a listening socket': (listener as unknown as { _handle: { fd: number } })._handle.fd,
      'a unix socket': descriptorOf(server.control),
    };
    for (const [what, descriptor] of Object.entries(offers)) {
      expect([what, (await server.start(namespace, descriptor)).direct]).toEqual([what, false]);
    }
    closeSync(file);
  });

  it('does not write to another connection that has got the descriptor meanwhile', async () => {
    await using server = await PretendedServer.connect(engine);
    const [ours, peer] = await tcpConnection(listener);
    const [others, othersPeer] = await tcpConnection(listener);
    const { direct } = await server.start(namespace, descriptorOf(others), inodeOf(descriptorOf(ours)));
    expect(direct).toBe(false);
    for (const socket of [ours, peer, others, othersPeer]) socket.destroy();
  });

  it('does not take a descriptor from another process than the one that is connected', async () => {
    await using server = await PretendedServer.connect(engine);
    await using holder = await Child.start('python3', [
      '-c',
      HOLDER,
      String((listener.address() as AddressInfo).port),
    ]);
    await holder.saying(/holding/);
    expect((await server.start(namespace, FOREIGN_DESCRIPTOR)).direct).toBe(false);
  });
});

function idOf(capture: number): string {
  return `offered-${'abcdefghij'[capture]}`;
}

/** What the server does, done by this process. */
class PretendedServer implements AsyncDisposable {
  private static captures = 0;
  private readonly captures: Socket[] = [];

  private constructor(
    private readonly path: string,
    readonly control: Socket,
    private readonly events: AsyncIterator<string>,
    private readonly name: string,
  ) {}

  static async connect({ socket: path }: Engine): Promise<PretendedServer> {
    const control = connect(path);
    control.write(`${JSON.stringify({ type: 'control', version: PROTOCOL_VERSION })}\n`);
    const events = createInterface(control)[Symbol.asyncIterator]();
    const { value } = await events.next();
    const { connection } = JSON.parse(String(value)) as { connection: string };
    return new PretendedServer(path, control, events, connection);
  }

  /** Starts a capture, and offers a descriptor of this process for its stream. */
  async start(
    { inode: netns }: NetworkNamespace,
    descriptor: number,
    inode = inodeOf(descriptor),
  ): Promise<Extract<EngineEvent, { type: 'started' }>> {
    const spec = {
      ...PLAIN_SPEC,
      captureId: idOf(PretendedServer.captures++),
      reference: { netns },
      promiscuous: false,
    };
    const capture = connect(this.path).on('error', () => undefined);
    this.captures.push(capture);
    const client = { descriptor, inode, framing: 'plain', maxMessageBytes: 65_536 };
    capture.write(`${JSON.stringify({ type: 'capture', connection: this.name, spec, client })}\n`);
    for (;;) {
      const event = JSON.parse(String((await this.events.next()).value)) as EngineEvent;
      if (event.type === 'refused') throw new Error(event.message);
      if (event.type === 'started' && event.captureId === spec.captureId) return event;
    }
  }

  /** The last capture may write to the client. */
  deliver(): void {
    const captureId = idOf(PretendedServer.captures - 1);
    this.control.write(`${JSON.stringify({ type: 'deliver', captureId })}\n`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of [...this.captures, this.control]) socket.destroy();
    await once(this.control, 'close');
  }
}

async function tcpConnection(listener: Server): Promise<[ours: Socket, peer: Socket]> {
  const accepted = once(listener, 'connection');
  const ours = connect((listener.address() as AddressInfo).port, '127.0.0.1');
  const [peer] = (await accepted) as [Socket];
  return [ours, peer];
}

function descriptorOf(socket: Socket): number {
  return (socket as unknown as { _handle: { fd: number } })._handle.fd;
}

/** 0: there is no such descriptor in this process. */
function inodeOf(descriptor: number): number {
  try {
    return fstatSync(descriptor).ino;
  } catch {
    return 0; // EBADF
  }
}
