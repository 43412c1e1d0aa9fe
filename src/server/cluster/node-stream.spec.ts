import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocketServer } from 'ws';
import { sectionHeaderBlock } from '../../shared/pcapng/blocks.js';
import { NodeStream, type NodeStreamObserver } from './node-stream.js';
import { SlabMemory } from './packet-merge.js';

describe('The stream of a node', () => {
  it('reads nothing while it is paused, also when it was not connected yet', async () => {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
    await once(server, 'listening');
    // Not together with the answer, which is read.
    server.on('connection', (node) => setTimeout(() => node.send(sectionHeaderBlock([], 'a node')), 50));
    const { promise, resolve } = Promise.withResolvers<void>();
    const memory = new SlabMemory();
    let hasStarted = false;
    const observer: NodeStreamObserver = {
      onStarted: () => {
        hasStarted = true;
        resolve();
      },
      onInterface: () => undefined,
      store: (bytes) => memory.store(bytes),
      onPacket: () => undefined,
      onStatistics: () => undefined,
      onEnd: () => undefined,
    };
    const { port } = server.address() as AddressInfo;
    const headers = { Host: `127.0.0.1:${port}` };
    const stream = new NodeStream({ host: '127.0.0.1', port, path: '/', headers }, observer);
    const connected = once(server, 'connection');
    try {
      stream.pause();
      await connected;
      await sleep(200);
      expect(hasStarted).toBe(false);
      stream.resume();
      await promise;
    } finally {
      stream.close();
      server.close();
    }
  });
});
