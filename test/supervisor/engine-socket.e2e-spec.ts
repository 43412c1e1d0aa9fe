import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { CaptureClient } from '../kit/capture-client.js';
import { eventually } from '../kit/eventually.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { PacketSender } from '../kit/packets.js';
import { describeAsRoot } from '../kit/root.js';
import { CONTROL_GREETING, malformedMessages } from './malformed-messages.js';
import { RunningService, runtimeDirectories } from './running-service.js';

const MESSAGES = 10_000;
const SEED = 20_261_123;
const AT_ONCE = 50;
const PACKETS = 20_000;
const PACKETS_PER_SECOND = 2_000;
/** The engine waits 5 s for the rest of a greeting, and for data connections that do not come. */
const FORGOTTEN_WITHIN_MS = 20_000;

/** One connection to the engine, which may hang up on it at any time. */
async function connection(path: string): Promise<Socket> {
  const socket = connect(path);
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket.resume();
}

/** One message that begins a connection, and its end by either side. */
async function send(path: string, message: string): Promise<void> {
  const socket = await connection(path);
  socket.end(Buffer.from(message, 'latin1'));
  if (!socket.closed) await once(socket, 'close');
}

/** Messages on control connections; a new one whenever the engine has hung up. */
async function talk(path: string, messages: readonly string[]): Promise<void> {
  let socket: Socket | undefined;
  for (const message of messages) {
    if (!socket || socket.destroyed || !socket.writable) {
      socket = await connection(path);
      socket.write(CONTROL_GREETING);
      await Promise.race([once(socket, 'data'), once(socket, 'close')]);
    }
    const written = Promise.withResolvers<void>();
    socket.write(Buffer.from(`${message}\n`, 'latin1'), () => written.resolve());
    await written.promise;
  }
  socket?.destroy();
}

/** Each in its turn, so many at once. */
async function each<T>(items: readonly T[], action: (item: T) => Promise<void>): Promise<void> {
  const rest = items.values();
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (const item of rest) await action(item);
    }),
  );
}

describeAsRoot('The socket of an engine', () => {
  it(`survives ${MESSAGES} malformed messages, and no capture notices`, async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    await using service = await RunningService.start();
    await using client = await CaptureClient.open(service, { netns: namespace.inode, nif: 'eth1' });
    await client.described('eth1');
    const path = `${runtimeDirectories(service.pid)[0]}/engine-0.sock`;
    const before = service.allInRole('engine');
    const descriptors = () => service.allInRole('engine').map((engine) => engine.descriptors.length);
    const descriptorsBefore = descriptors();

    await using sender = await PacketSender.start(namespace, {
      interface: 'eth0',
      count: PACKETS,
      ratePerSecond: PACKETS_PER_SECOND,
    });
    const { greeting, control, data } = malformedMessages(MESSAGES, SEED);
    expect(greeting.length + control.length + data.length).toBe(MESSAGES);
    await each(greeting, (message) => send(path, message));
    await each(data, (message) => send(path, message));
    const parts = Array.from({ length: AT_ONCE }, (_, part) =>
      control.filter((_, index) => index % AT_ONCE === part),
    );
    await each(parts, (part) => talk(path, part));

    await sender.finished();
    await client.received(PACKETS);
    expect(client.closing).toBeUndefined();
    expect(service.allInRole('engine').map(({ pid }) => pid)).toEqual(before.map(({ pid }) => pid));
    // What it knows by heart now is no descriptor.
    await eventually(
      `descriptors as before: ${descriptorsBefore.join(', ')}`,
      () => descriptors().every((count, index) => count <= (descriptorsBefore[index] ?? 0)),
      FORGOTTEN_WITHIN_MS,
    );
    await using next = await CaptureClient.open(service, { netns: namespace.inode, nif: 'eth0' });
    await next.described('eth0');
    expect(service.log).not.toMatch(/starting it again/);
  });

  it('is closed to a server that asks and asks, and does not read the answers', async () => {
    await using service = await RunningService.start();
    const socket = await connection(`${runtimeDirectories(service.pid)[0]}/engine-0.sock`);
    socket.write(CONTROL_GREETING);
    await once(socket, 'data');
    socket.pause();
    const questions = `${JSON.stringify({ type: 'report', id: 'x' })}\n`.repeat(1_000);
    // Without an end to it the engine would have kept more than all its memory here.
    await eventually(
      'the engine to hang up',
      async () => {
        const written = Promise.withResolvers<void>();
        socket.write(questions, () => written.resolve());
        await written.promise;
        return socket.destroyed;
      },
      60_000,
    );
    expect(service.log).not.toMatch(/starting it again/);
    expect(await service.answers()).toBe(true);
  });
});
