import { once } from 'node:events';
import { fstatSync, mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeAsRoot } from '../../test/kit/root.js';
import { descriptorOf } from '../shared/socket-descriptor.js';
import { PeerProcess } from './peer-process.js';

/** Before this process existed, by `performance.now()`. */
const LONG_AGO_MS = -3_600_000;

describeAsRoot('PeerProcess', () => {
  const folder = mkdtempSync(join(tmpdir(), 'packetflix-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  it.each([
    ['takes a connection of the process that has connected', performance.now(), true],
    [
      'takes nothing of a process that began after the connection: its id was that of another one',
      LONG_AGO_MS,
      false,
    ],
  ])('%s', async (_, acceptedAtMs, isTaken) => {
    await using stack = new AsyncDisposableStack();
    const pairOf = async (address: string | number): Promise<[Socket, Socket]> => {
      const server = createServer().listen(address as string);
      stack.defer(() => void server.close());
      await once(server, 'listening');
      const accepted = once(server, 'connection') as Promise<[Socket]>;
      const { port } = server.address() as AddressInfo;
      const socket = typeof address === 'string' ? connect(address) : connect(port);
      stack.defer(() => void socket.destroy());
      const [other] = await accepted;
      stack.defer(() => void other.destroy());
      return [socket, other];
    };
    const [, control] = await pairOf(join(folder, `${isTaken}.sock`));
    const [, client] = await pairOf(0);
    const descriptor = descriptorOf(client) ?? -1;
    const { ino: inode } = fstatSync(descriptor);
    const peer = new PeerProcess(control, acceptedAtMs);
    const output = peer.outputFor(control, {
      descriptor,
      inode,
      framing: 'websocket',
      maxMessageBytes: 1_024,
    });
    expect(output.direct).toBe(isTaken);
    output.close();
    peer.close();
  });
});
