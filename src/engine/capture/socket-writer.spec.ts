import { jest } from '@jest/globals';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { duplicate } from '../../shared/linux/libc.js';
import { OutputSocket } from './output-socket.js';
import { SocketWriter } from './socket-writer.js';

/** More than the kernel holds for one connection. */
const PLENTY = Buffer.alloc(32 * 1024 * 1024, 'x');

describe('SocketWriter', () => {
  const events = { onBlocked: jest.fn(), onDrained: jest.fn(), onBroken: jest.fn() };
  let writer: SocketWriter;
  let ours: Socket;
  let peer: Socket;

  beforeEach(async () => {
    jest.clearAllMocks();
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const accepted = once(server, 'connection');
    ours = connect((server.address() as AddressInfo).port, '127.0.0.1');
    [peer] = (await accepted) as [Socket];
    for (const socket of [ours, peer]) socket.on('error', () => undefined);
    server.close();
    const { fd } = (ours as unknown as { _handle: { fd: number } })._handle;
    writer = new SocketWriter(new OutputSocket(duplicate(fd), 'plain', true), events);
  });
  afterEach(() => {
    writer.close();
    ours.destroy();
    peer.destroy();
  });

  it('writes at once what the socket accepts', async () => {
    const onSent = jest.fn();
    writer.write(Buffer.from('hello'), onSent);
    expect(onSent).toHaveBeenCalledTimes(1);
    expect(writer).toMatchObject({ blocked: false, sentBytes: 5, blockedMs: 0 });
    expect(String(await once(peer, 'data'))).toBe('hello');
    expect(events.onBlocked).not.toHaveBeenCalled();
  });

  it('keeps what does not fit, in order, and reports once when it is blocked and when it has drained', async () => {
    const sent: string[] = [];
    writer.write(PLENTY, () => sent.push('plenty'));
    writer.write(Buffer.from('y'), () => sent.push('y'));
    expect(writer.blocked).toBe(true);
    expect(writer.unblockedMs).toBe(0);
    expect(events.onBlocked).toHaveBeenCalledTimes(1);
    let received = 0;
    let last = 0;
    peer.on('data', (chunk: Buffer) => {
      received += chunk.length;
      last = chunk.at(-1) ?? 0;
    });
    while (received < PLENTY.length + 1) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(sent).toEqual(['plenty', 'y']);
    expect(String.fromCharCode(last)).toBe('y');
    expect(events.onDrained).toHaveBeenCalledTimes(1);
    expect(writer).toMatchObject({ blocked: false, sentBytes: received });
  });

  it('reports a broken connection, and accepts nothing more', async () => {
    const onSent = jest.fn();
    writer.write(PLENTY, onSent);
    peer.resetAndDestroy();
    while (events.onBroken.mock.calls.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    writer.write(Buffer.from('y'), onSent);
    expect(writer).toMatchObject({ blocked: true, broken: true });
    expect(onSent).not.toHaveBeenCalled();
    expect(events.onDrained).not.toHaveBeenCalled();
  });
});
