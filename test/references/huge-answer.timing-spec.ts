import { readFileSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { CaptureClient } from '../kit/capture-client.js';
import { CLOSE_DISCOVERY_FAILED } from '../kit/close-codes.js';
import { eventually } from '../kit/eventually.js';
import { describeAsRoot } from '../kit/root.js';
import { discoveryForAllTests } from './directory.js';

const ANSWER_BYTES = 400 * 1024 * 1024;
const PIECE = Buffer.alloc(1024 * 1024, ' ');
const CLIENTS = 10;
/** Several times the limit of 32 MiB, because processing them takes more memory. */
const MAX_GROWTH_KIB = 160 * 1024;
/** See proc_pid_clear_refs(5). */
const RESET_PEAK = '5';

describeAsRoot('When GhostWire answers with 400 MiB,', () => {
  const discovery = discoveryForAllTests();

  it('captures by name are refused, and the server reads only a part of it', async () => {
    const { ghostwire, service } = discovery.current;
    const server = service.processes().find(({ command }) => command.includes('main.js server'))?.pid ?? NaN;
    let sentBytes = 0;
    ghostwire.answer = (_, response) => {
      response.writeHead(200, { 'content-length': ANSWER_BYTES });
      send(response, (bytes) => (sentBytes += bytes));
    };
    writeFileSync(`/proc/${server}/clear_refs`, RESET_PEAK);
    const before = peakKiBOf(server);

    await using clients = new AsyncDisposableStack();
    const opened = await Promise.all(
      Array.from({ length: CLIENTS }, () => CaptureClient.open(service, { container: { name: 'web' } })),
    );
    opened.forEach((client) => clients.use(client));
    for (const client of opened) {
      expect(await client.ended(30_000)).toEqual({
        code: CLOSE_DISCOVERY_FAILED,
        reason: expect.stringContaining('too large') as string,
      });
    }

    expect(peakKiBOf(server) - before).toBeLessThan(MAX_GROWTH_KIB);
    await eventually(
      'the end of the requests to GhostWire',
      async () => (await ghostwire.connections()) === 0,
    );
    expect(sentBytes).toBeGreaterThan(0);
    expect(sentBytes).toBeLessThan(ANSWER_BYTES);
  });
});

/** Sends the body as fast as the service reads it. */
function send(response: ServerResponse, sent: (bytes: number) => void): void {
  response.on('error', () => undefined);
  const write = (): void => {
    for (let bytes = 0; bytes < ANSWER_BYTES && !response.destroyed; bytes += PIECE.length) {
      sent(PIECE.length);
      if (!response.write(PIECE)) {
        response.once('drain', write);
        return;
      }
    }
  };
  write();
}

/** The peak resident memory of the process since the last reset. */
function peakKiBOf(pid: number): number {
  return Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]);
}
