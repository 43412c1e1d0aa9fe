import { jest } from '@jest/globals';
import { Duplex } from 'node:stream';
import type { Socket } from 'node:net';
import type { Capture } from './captures/capture.js';
import { RingBudget } from './captures/ring-budget.js';
import { ControlConnection } from './control-connection.js';

const ORDER = {
  reference: { netns: 1 },
  interfaces: [],
  filter: '',
  promiscuous: true,
  sectionComments: [],
  excludedConnections: [],
  excludedEndpoints: [],
};

/** A control connection with one capture that is being opened, and everything that a test wants to do to it. */
async function openingCapture() {
  const data = connection();
  const abort = jest.fn();
  const opened = Promise.withResolvers<Capture>();
  const socket = connection();
  new ControlConnection(
    socket as unknown as Socket,
    () => opened.promise,
    new RingBudget(),
    () => Promise.resolve(data as unknown as Socket),
    [],
  );
  socket.push(`${JSON.stringify({ type: 'start', id: 'a', order: ORDER })}\n`);
  await turn();
  return {
    abort,
    data,
    socket,
    open: () => opened.resolve({ abort, interfaceNames: [] } as unknown as Capture),
  };
}

describe('ControlConnection', () => {
  it('gives up a capture whose front went while it was being opened', async () => {
    const { abort, socket, open } = await openingCapture();
    socket.destroy();
    await turn();
    open();
    await turn();
    expect(abort).toHaveBeenCalledTimes(1);
  });

  it('gives up a capture whose client went while it was being opened', async () => {
    const { abort, data, open } = await openingCapture();
    data.destroy();
    await turn();
    open();
    await turn();
    expect(abort).toHaveBeenCalledTimes(1);
  });

  it('gives up a running capture when its front goes', async () => {
    const { abort, socket, open } = await openingCapture();
    open();
    await turn();
    expect(abort).not.toHaveBeenCalled();
    socket.destroy();
    await turn();
    expect(abort).toHaveBeenCalledTimes(1);
  });
});

function connection(): Duplex {
  return new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
}

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 20));
}
