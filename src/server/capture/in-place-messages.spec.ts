import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { InPlaceMessages } from './in-place-messages.js';

const ROOM_BYTES = 10;
/** More than the kernel holds for one connection. */
const PLENTY_BYTES = 64 * 1024 * 1024;

/** A message of the given length in memory that has room for its header. */
function memoryFor(payloadBytes: number): Buffer {
  return Buffer.alloc(ROOM_BYTES + payloadBytes, 'x');
}

describe('InPlaceMessages', () => {
  let ours: Socket;
  let peer: Socket;

  beforeEach(async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    ours = connect(server.address() as { port: number; address: string });
    ours.on('error', () => undefined);
    [peer] = (await once(server, 'connection')) as [Socket];
    server.close();
  });
  afterEach(() => {
    ours.destroy();
    peer.destroy();
  });

  it.each([
    [1, [0x82, 1]],
    [125, [0x82, 125]],
    [126, [0x82, 126, 0, 126]],
    [0xffff, [0x82, 126, 0xff, 0xff]],
    [0x1_0000, [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]],
  ])('frame %d bytes with the shortest header', async (payloadBytes, header) => {
    const expected = Buffer.concat([Buffer.from(header), Buffer.alloc(payloadBytes, 'x')]);
    const memory = memoryFor(payloadBytes);
    await new InPlaceMessages(ours).send(memory, ROOM_BYTES, memory.length);
    let received = Buffer.alloc(0);
    while (received.length < expected.length) {
      received = Buffer.concat([received, ...((await once(peer, 'data')) as [Buffer])]);
    }
    expect(received.equals(expected)).toBe(true);
  });

  it('do not use the memory after the kernel has accepted everything', async () => {
    await once(ours, 'connect');
    expect(new InPlaceMessages(ours).send(memoryFor(1000), ROOM_BYTES, ROOM_BYTES + 1000)).toBe(true);
  });

  it('use the memory until a stalled peer reads on', async () => {
    const memory = memoryFor(PLENTY_BYTES);
    let kept = true;
    const sent = Promise.resolve(new InPlaceMessages(ours).send(memory, ROOM_BYTES, memory.length));
    void sent.then(() => (kept = false));
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(kept).toBe(true);
    peer.resume();
    expect(await sent).toBe(true);
  });

  it('report that the connection was closed before everything was accepted', async () => {
    const memory = memoryFor(PLENTY_BYTES);
    const messages = new InPlaceMessages(ours);
    const sent = messages.send(memory, ROOM_BYTES, memory.length);
    expect(sent).toBeInstanceOf(Promise);
    ours.destroy();
    expect(await sent).toBe(false);
  });
});
