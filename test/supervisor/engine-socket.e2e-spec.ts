import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { startAllThreads } from '../kit/all-processes.js';
import { CaptureClient } from '../kit/capture-client.js';
import { eventually } from '../kit/eventually.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { PacketSender } from '../kit/packets.js';
import { RawConnection } from '../kit/raw-connection.js';
import { describeAsRoot } from '../kit/root.js';
import { CONNECTION_NAME, CONTROL_GREETING, malformedMessages, SPEC } from './malformed-messages.js';
import { Service, runtimeDirectories } from '../kit/service.js';

const MESSAGES = 10_000;
const SEED = 20_261_123;
const CONCURRENT_MESSAGES = 50;
const PACKETS = 20_000;
const PACKETS_PER_SECOND = 2_000;
/** Well above the 5 s that the engine waits for the rest of a greeting. */
const CLOSE_TIMEOUT_MS = 20_000;

/** A connection to the engine, which may close it at any time. */
async function connection(path: string): Promise<Socket> {
  const socket = connect(path);
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket.resume();
}

/** Sends the first message of a connection, and waits until either side has closed it. */
async function send(path: string, message: string): Promise<void> {
  const { socket, ended } = new RawConnection(connect(path));
  socket.end(Buffer.from(message, 'latin1'));
  await ended;
}

/** Sends messages on control connections; opens a new connection when the engine has closed the last one. */
async function sendOnControlConnections(path: string, messages: readonly string[]): Promise<void> {
  let connection: RawConnection | undefined;
  for (const message of messages) {
    if (!connection?.socket.writable) {
      connection = new RawConnection(connect(path));
      connection.send(CONTROL_GREETING);
      await connection.until((received) => received.length > 0);
    }
    const { socket } = connection;
    await new Promise((resolve) => socket.write(Buffer.from(`${message}\n`, 'latin1'), resolve));
  }
  connection?.socket.destroy();
}

/** A control connection and the name that the engine gave it. */
async function controlConnection(path: string): Promise<{ socket: Socket; name: string }> {
  const socket = await connection(path);
  socket.write(CONTROL_GREETING);
  const [hello] = (await once(socket, 'data')) as [Buffer];
  const { connection: name } = JSON.parse(hello.toString()) as { connection: string };
  return { socket, name };
}

/** Runs an action for each item, CONCURRENT_MESSAGES of them at the same time. */
async function each<T>(items: readonly T[], action: (item: T) => Promise<void>): Promise<void> {
  const rest = items.values();
  await Promise.all(
    Array.from({ length: CONCURRENT_MESSAGES }, async () => {
      for (const item of rest) await action(item);
    }),
  );
}

describeAsRoot('The socket of an engine', () => {
  it(`survives ${MESSAGES} malformed messages without an effect on a running capture`, async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    await using service = await Service.start();
    const request = { netns: namespace.inode, nif: 'eth1' };
    await using client = await CaptureClient.open(service, request);
    await client.described('eth1');
    await (await startAllThreads(service)).disposeAsync();
    const path = `${runtimeDirectories(service.pid)[0]}/engine-0.sock`;
    const before = service.inRole('engine');

    await using sender = await PacketSender.start(namespace, {
      interface: 'eth0',
      count: PACKETS,
      ratePerSecond: PACKETS_PER_SECOND,
    });
    const { greeting, control, capture } = malformedMessages(MESSAGES, SEED);
    expect(greeting.length + control.length + capture.length).toBe(MESSAGES);
    await each(greeting, (message) => send(path, message));
    const server = await controlConnection(path);
    await each(capture, (message) => send(path, message.replace(CONNECTION_NAME, server.name)));
    expect(server.socket.destroyed).toBe(false);
    server.socket.destroy();
    const parts = Array.from({ length: CONCURRENT_MESSAGES }, (_, part) =>
      control.filter((_, index) => index % CONCURRENT_MESSAGES === part),
    );
    await each(parts, (part) => sendOnControlConnections(path, part));

    await sender.finished();
    await client.received(PACKETS);
    expect(client.closing).toBeUndefined();
    expect(service.inRole('engine').pid).toBe(before.pid);
    await eventually(
      `descriptors as before: ${before.descriptors.length}`,
      () => service.inRole('engine').descriptors.length <= before.descriptors.length,
      CLOSE_TIMEOUT_MS,
    );
    await using next = await CaptureClient.open(service, { netns: namespace.inode, nif: 'eth0' });
    await next.described('eth0');
    expect(service.log).not.toMatch(/restarting it/);
  });

  it('closes the connection to a server that sends requests and does not read the answers', async () => {
    await using service = await Service.start();
    const socket = await connection(`${runtimeDirectories(service.pid)[0]}/engine-0.sock`);
    socket.write(CONTROL_GREETING);
    await once(socket, 'data');
    socket.pause();
    const requests = `${JSON.stringify({ type: 'report', id: 'x' })}\n`.repeat(1_000);
    // Without a limit, the answers would fill the memory of the engine.
    await eventually(
      'the engine to close the connection',
      async () => {
        const written = Promise.withResolvers<void>();
        socket.write(requests, () => written.resolve());
        await written.promise;
        return socket.destroyed;
      },
      60_000,
    );
    expect(service.log).not.toMatch(/restarting it/);
    expect(await service.answers()).toBe(true);
  });

  it('runs captures only for open control connections', async () => {
    await using namespace = await NetworkNamespace.create();
    await using service = await Service.start();
    const path = `${runtimeDirectories(service.pid)[0]}/engine-0.sock`;
    const { socket: control, name } = await controlConnection(path);
    const events: string[] = [];
    control.on('data', (event: Buffer) => events.push(event.toString()));
    const capture = async (connectionName: string) => {
      const spec = { ...SPEC, reference: { netns: namespace.inode }, interfaces: ['lo'] };
      const socket = await connection(path);
      const pieces: Buffer[] = [];
      socket.on('data', (piece: Buffer) => pieces.push(piece));
      socket.write(`${JSON.stringify({ type: 'capture', connection: connectionName, spec })}\n`);
      return { socket, pieces };
    };

    const running = await capture(name);
    await eventually('the start of the capture', () => events.join('').includes('"started"'));
    await eventually('the beginning of the stream', () => running.pieces.length > 0);
    const second = await capture(name);
    await eventually('the end of a second capture with the same ID', () => second.socket.destroyed);
    expect(running.socket.destroyed).toBe(false);

    control.destroy();
    await eventually('the end of the capture', () => running.socket.destroyed);
    for (const connectionName of [name, 'unknown', '__proto__']) {
      const refused = await capture(connectionName);
      await eventually(`the end of a capture for ${connectionName}`, () => refused.socket.destroyed);
      expect(refused.pieces).toEqual([]);
    }
    expect(second.pieces).toEqual([]);
    expect(service.log).not.toMatch(/restarting it/);
  });
});
