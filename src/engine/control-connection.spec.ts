import { jest } from '@jest/globals';
import { Duplex } from 'node:stream';
import type { Socket } from 'node:net';
import { PLAIN_SPEC } from '../../test/fixtures/capture-spec.js';
import { CaptureError } from '../shared/protocol/capture-error.js';
import type { Capture } from './capture/capture.js';
import type { OutputSocket } from './capture/output-socket.js';
import { ProtocolError } from '../shared/protocol/lines.js';
import { EngineTotals } from './capture/totals.js';
import { RingBudget } from './capture/ring-budget.js';
import { ControlConnection } from './control-connection.js';

const TOTALS = { packets: 3, bytes: 300, dropped: 1 };

/** A control connection with one capture that is being opened, and everything that a test wants to do to it. */
async function openingCapture() {
  const output = connection();
  const abort = jest.fn();
  const deliver = jest.fn(() => events.push('deliver'));
  const opened = Promise.withResolvers<Capture>();
  const events: unknown[] = [];
  const socket = connection((text) => events.push(JSON.parse(text)));
  const control = new ControlConnection(socket as unknown as Socket, {
    name: 'c',
    openCapture: () => opened.promise,
    budget: new RingBudget(),
    totals: new EngineTotals(),
    problems: [],
    peer: { outputFor: () => ({ close: () => undefined }) as OutputSocket, close: () => undefined },
  });
  control.start(output as unknown as Socket, PLAIN_SPEC, undefined);
  await turn();
  return {
    abort,
    control,
    output,
    socket,
    events,
    open: () => opened.resolve({ abort, deliver, interfaceCount: 0, totals: TOTALS } as unknown as Capture),
    fail: (error: Error) => opened.reject(error),
  };
}

describe('ControlConnection', () => {
  it('aborts a capture whose server disconnects while it is being opened', async () => {
    const { abort, output, socket, open } = await openingCapture();
    socket.destroy();
    await turn();
    open();
    await turn();
    expect(abort).toHaveBeenCalledTimes(1);
    expect(output.destroyed).toBe(true);
  });

  it('aborts a capture whose own connection closes while it is being opened', async () => {
    const { abort, output, events, open } = await openingCapture();
    output.destroy();
    await turn();
    open();
    await turn();
    expect(abort).toHaveBeenCalledTimes(1);
    expect(events).toEqual([
      expect.objectContaining({ type: 'hello', connection: 'c' }),
      { type: 'accepted', captureId: PLAIN_SPEC.captureId },
    ]);
  });

  it('stops a capture that is being opened, and says so', async () => {
    const { abort, output, socket, events, open } = await openingCapture();
    socket.push(`${JSON.stringify({ type: 'stop', captureId: PLAIN_SPEC.captureId })}\n`);
    await turn();
    open();
    await turn();
    expect(abort).toHaveBeenCalledTimes(1);
    expect(events.at(-1)).toMatchObject({
      type: 'refused',
      captureId: PLAIN_SPEC.captureId,
      message: 'stopped',
    });
    expect(output.destroyed).toBe(true);
  });

  it('aborts a running capture when its server disconnects', async () => {
    const { abort, output, socket, open } = await openingCapture();
    open();
    await turn();
    expect(abort).not.toHaveBeenCalled();
    socket.destroy();
    await turn();
    expect(abort).toHaveBeenCalledTimes(1);
    expect(output.destroyed).toBe(true);
  });

  it('reports the start before anything is delivered, because the client may answer at once', async () => {
    const { events, open } = await openingCapture();
    open();
    await turn();
    expect(events.slice(-2)).toEqual([expect.objectContaining({ type: 'started' }), 'deliver']);
  });

  it('sends why a capture cannot begin, and closes its connection', async () => {
    const { output, events, fail } = await openingCapture();
    fail(new CaptureError('stale-reference', 'process 1 has ended'));
    await turn();
    expect(events.at(-1)).toEqual({
      type: 'refused',
      captureId: PLAIN_SPEC.captureId,
      code: 'stale-reference',
      message: 'process 1 has ended',
    });
    expect(output.destroyed).toBe(true);
  });

  it('refuses an invalid spec by the id of its capture', async () => {
    const { control, events } = await openingCapture();
    control.start(connection() as unknown as Socket, { captureId: 'calm-blue-owl' }, undefined);
    await turn();
    expect(events.at(-1)).toMatchObject({
      type: 'refused',
      captureId: 'calm-blue-owl',
      code: 'invalid-request',
    });
  });

  it.each([
    ['the id of a capture that exists', PLAIN_SPEC],
    ['no id', { ...PLAIN_SPEC, captureId: undefined }],
    ['an id that is not a word', { ...PLAIN_SPEC, captureId: 'A\n' }],
    ['no spec', undefined],
  ])('does not start a capture with %s', async (_, spec) => {
    const { control, abort, events, open } = await openingCapture();
    expect(() => control.start(connection() as unknown as Socket, spec, undefined)).toThrow(ProtocolError);
    open();
    await turn();
    expect(abort).not.toHaveBeenCalled();
    expect(events.at(-2)).toMatchObject({ type: 'started', captureId: PLAIN_SPEC.captureId });
  });

  it.each([
    ['no descriptor', { framing: 'plain', inode: 1, maxMessageBytes: 1 }],
    ['a negative descriptor', { descriptor: -1, framing: 'plain', inode: 1, maxMessageBytes: 1 }],
    ['an unknown framing', { descriptor: 1, framing: 'http', inode: 1, maxMessageBytes: 1 }],
    ['no limit', { descriptor: 1, framing: 'plain', inode: 1 }],
    ['no inode', { descriptor: 1, framing: 'plain', maxMessageBytes: 1 }],
    ['null', null],
  ])('does not start a capture whose client is described by %s', async (_, client) => {
    const { control } = await openingCapture();
    const spec = { ...PLAIN_SPEC, captureId: 'calm-blue-owl' };
    expect(() => control.start(connection() as unknown as Socket, spec, client)).toThrow(ProtocolError);
  });

  it('reports the totals of running captures and of those that have ended', async () => {
    const { socket, output, open, events } = await openingCapture();
    const report = async () => {
      socket.push('{"type":"report","id":"r"}\n');
      await turn();
      return events.at(-1);
    };
    open();
    await turn();
    expect(await report()).toMatchObject({
      type: 'report',
      id: 'r',
      report: { captures: 1, totals: TOTALS },
    });
    output.destroy();
    await turn();
    expect(await report()).toMatchObject({ report: { captures: 0, totals: TOTALS } });
  });
});

function connection(onWritten: (text: string) => void = () => undefined): Duplex {
  const write = (chunk: Buffer, _encoding: string, done: () => void): void => {
    onWritten(chunk.toString());
    done();
  };
  return new Duplex({ read: () => undefined, write });
}

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 20));
}
