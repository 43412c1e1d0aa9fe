import { jest } from '@jest/globals';
import { Duplex } from 'node:stream';
import type { Socket } from 'node:net';
import type { Capture } from './capture/capture.js';
import { CaptureLedger } from './capture/capture-totals.js';
import { RingBudget } from './capture/ring-budget.js';
import { ControlConnection } from './control-connection.js';

const ORDER = {
  captureId: 'a',
  reference: { netns: 1 },
  interfaces: [],
  filter: '',
  promiscuous: true,
  sectionComments: [],
  excludedConnections: [],
  excludedEndpoints: [],
};

const TOTALS = { packets: 3, bytes: 300, dropped: 1 };

/** A control connection with one capture that is being opened, and everything that a test wants to do to it. */
async function openingCapture() {
  const data = connection();
  const abort = jest.fn();
  const opened = Promise.withResolvers<Capture>();
  const said: string[] = [];
  const socket = connection((text) => said.push(text));
  new ControlConnection(
    socket as unknown as Socket,
    () => opened.promise,
    new RingBudget(),
    new CaptureLedger(),
    () => Promise.resolve(data as unknown as Socket),
    [],
  );
  socket.push(`${JSON.stringify({ type: 'start', id: 'a', order: ORDER })}\n`);
  await turn();
  return {
    abort,
    data,
    socket,
    said,
    open: () => opened.resolve({ abort, interfaceNames: [], totals: TOTALS } as unknown as Capture),
  };
}

describe('ControlConnection', () => {
  it('gives up a capture whose server went while it was being opened', async () => {
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

  it('gives up a running capture when its server goes', async () => {
    const { abort, socket, open } = await openingCapture();
    open();
    await turn();
    expect(abort).not.toHaveBeenCalled();
    socket.destroy();
    await turn();
    expect(abort).toHaveBeenCalledTimes(1);
  });

  it('reports what running captures have delivered, and those that are over', async () => {
    const { socket, data, open, said } = await openingCapture();
    const report = async () => {
      socket.push('{"type":"report","id":"r"}\n');
      await turn();
      return JSON.parse(said.at(-1) ?? '') as unknown;
    };
    open();
    await turn();
    expect(await report()).toMatchObject({
      type: 'report',
      id: 'r',
      report: { captures: 1, totals: TOTALS },
    });
    data.destroy();
    await turn();
    expect(await report()).toMatchObject({ report: { captures: 0, totals: TOTALS } });
  });
});

function connection(onSaid: (text: string) => void = () => undefined): Duplex {
  const write = (chunk: Buffer, _encoding: string, done: () => void): void => {
    onSaid(chunk.toString());
    done();
  };
  return new Duplex({ read: () => undefined, write });
}

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 20));
}
