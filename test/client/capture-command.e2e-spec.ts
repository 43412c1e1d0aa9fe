import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { WebSocketServer, type WebSocket } from 'ws';
import { Child } from '../kit/child.js';
import { eventually } from '../kit/eventually.js';
import { TemporaryFile } from '../kit/second-opinion.js';
import { CAPTURE_COMMAND, PROJECT } from '../kit/service.js';

/** An empty section and an empty packet, which suffice for a client that only writes and counts blocks. */
const STREAM = Buffer.from(
  '0a0d0d0a1c0000004d3c2b1a01000000ffffffffffffffff1c000000' +
    '0600000020000000000000000000000000000000000000000000000020000000',
  'hex',
);

describe('The command "npm run capture"', () => {
  let server: WebSocketServer;
  let requests: string[];
  let handle: (socket: WebSocket) => void;

  beforeEach(async () => {
    requests = [];
    handle = (socket) => socket.send(STREAM);
    server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    server.on('connection', (socket, request) => {
      requests.push(request.url ?? '');
      handle(socket);
    });
    await once(server, 'listening');
  });
  afterEach(() => {
    for (const client of server.clients) client.terminate();
    server.close();
  });

  const url = () => `ws://127.0.0.1:${(server.address() as AddressInfo).port}/capture`;
  const argumentsWith = (...more: string[]) => ['--url', url(), '--netns', '4711', ...more];
  const client = (...more: string[]) =>
    Child.start(process.execPath, [CAPTURE_COMMAND, ...argumentsWith(...more)]);

  it('writes only the stream to standard output, even when run by npm', async () => {
    handle = (socket) => {
      socket.send(STREAM);
      socket.close(1000, 'the limit of 1 packet was reached: max-packets of the request');
    };
    const args = argumentsWith('-w', '-', '--max-packets', '1', '--nif', 'eth0/lo');
    const npm = spawn('npm', ['--prefix', PROJECT, 'run', '--silent', 'capture', '--', ...args], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const pieces: Buffer[] = [];
    npm.stdout.on('data', (piece: Buffer) => pieces.push(piece));
    const [status] = (await once(npm, 'close')) as [number];
    expect(status).toBe(0);
    expect(Buffer.concat(pieces)).toEqual(STREAM);
    expect(requests).toEqual(['/capture?netns=4711&nif=eth0%2Flo&max-packets=1']);
  }, 30_000);

  it.each(['SIGINT', 'SIGTERM'] as const)('ends on %s with a complete file and status 0', async (signal) => {
    using file = new TemporaryFile('packets.pcapng');
    await using child = await client('-w', file.path);
    await eventually('the file', () => existsSync(file.path));
    // A terminal and npm both send the signal.
    child.signal(signal);
    child.signal(signal);
    expect(await child.ended).toBe(0);
    expect(readFileSync(file.path)).toEqual(STREAM);
    // Standard error is not a terminal: no progress is shown.
    expect(child.stderr).toBe('');
  });

  it('exits with status 0 when the reader closes the pipe', async () => {
    handle = (socket) => {
      const timer = setInterval(() => socket.send(STREAM), 5);
      socket.on('close', () => clearInterval(timer));
    };
    const script = `"$0" "$@" -w - | head -c 10 > /dev/null; exit "\${PIPESTATUS[0]}"`;
    const args = ['-c', script, process.execPath, CAPTURE_COMMAND, ...argumentsWith()];
    const child = await Child.start('bash', args);
    expect(await child.ended).toBe(0);
    expect(child.stderr).toBe('');
  });

  it('can be interrupted while the reader of the pipe hangs', async () => {
    handle = (socket) => socket.send(Buffer.alloc(8 * 1024 * 1024));
    const stuck = spawn(process.execPath, [CAPTURE_COMMAND, ...argumentsWith('-w', '-')], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await eventually('the request', () => requests.length === 1);
    await new Promise((resolve) => setTimeout(resolve, 300));
    stuck.kill('SIGINT');
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    stuck.kill('SIGINT');
    expect(await once(stuck, 'exit')).toEqual([1, null]);
  });

  it('reports the reason for a refusal, exits with status 1 and creates no file', async () => {
    handle = (socket) => socket.close(4404, 'no network namespace 4711');
    using file = new TemporaryFile('packets.pcapng');
    await using child = await client('-w', file.path);
    expect(await child.ended).toBe(1);
    expect(child.stderr).toBe('the service ended the capture (4404): no network namespace 4711\n');
    expect(existsSync(file.path)).toBe(false);
  });

  it('reports a file that cannot be written and exits with status 1', async () => {
    await using child = await client('-w', '/nonexistent/packets.pcapng');
    expect(await child.ended).toBe(1);
    expect(child.stderr).toMatch(/cannot write: .*ENOENT/);
  });

  it('prints its options on --help and exits with status 0', async () => {
    await using child = await client('--help');
    expect(await child.ended).toBe(0);
    expect(child.stdout).toMatch(/--netns <namespace>/);
    expect(requests).toEqual([]);
  });

  it('exits with status 2 when the command line is invalid', async () => {
    await using child = await client('--container', '{}');
    expect(await child.ended).toBe(2);
    expect(child.stderr).toMatch(/one of --netns and --container/);
  });
});
