import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CaptureClient } from '../kit/capture-client.js';
import { Child } from '../kit/child.js';
import { eventually } from '../kit/eventually.js';
import { describeAsRoot } from '../kit/root.js';
import { MAIN, netnsOfThisProcess, Service } from '../kit/service.js';
import { handshakeAt, ticketFor } from './ticket-client.js';

describeAsRoot('Tickets', () => {
  const folder = mkdtempSync(join(tmpdir(), 'packetflix-test-'));
  const keyFile = join(folder, 'key');
  // The service drops root, and its user may not read the file.
  beforeAll(() => writeFileSync(keyFile, 'k'.repeat(32), { mode: 0o600 }));
  afterAll(() => rmSync(folder, { recursive: true }));

  const lineWith = (service: Service, message: string): Promise<Record<string, unknown>> =>
    eventually(`a line "${message}"`, () => {
      const line = service.log.split('\n').findLast((each) => each.includes(`"${message}"`));
      return line !== undefined && (JSON.parse(line) as Record<string, unknown>);
    });

  it('of services with the same key file are accepted by each other, and by no other service', async () => {
    await using one = await Service.start(['--ticket-key-file', keyFile]);
    await using two = await Service.start(['--ticket-key-file', keyFile]);
    await using other = await Service.start();
    const { path } = await ticketFor(one, { netns: netnsOfThisProcess(), nif: 'lo' });
    await using client = await CaptureClient.open(two, {}, { path });
    await client.described('lo');
    expect((await handshakeAt(other.url(path, 'ws'))).status).toBe(403);
    const own = await ticketFor(other, { netns: 5 });
    expect((await handshakeAt(one.url(own.path, 'ws'))).status).toBe(403);
  });

  it('stay valid when the server is restarted; no other process has the key', async () => {
    await using service = await Service.start();
    const { path } = await ticketFor(service, { netns: netnsOfThisProcess(), nif: 'lo' });
    const version = path.replace('/capture', '/version');
    process.kill(service.inRole('server').pid, 'SIGKILL');
    await eventually('the service to answer again', async () => (await fetch(service.url(version))).ok);

    const variable = /PACKETFLIX_SIGNING_KEY=([\w-]+)/;
    const environmentOf = ({ pid }: { pid: number }) => readFileSync(`/proc/${pid}/environ`, 'latin1');
    expect(environmentOf(service.inRole('server'))).toMatch(variable);
    for (const role of ['engine', 'discoverer', 'filter compiler'] as const) {
      for (const each of service.allInRole(role)) expect(environmentOf(each)).not.toMatch(variable);
    }
    for (const { command } of service.processes()) expect(command).not.toMatch(/SIGNING_KEY/);
  });

  it.each<[string, () => string, RegExp]>([
    ['does not exist', () => join(folder, 'missing'), /--ticket-key-file: .*missing cannot be used: ENOENT/],
    [
      'is too short',
      () => (writeFileSync(join(folder, 'short'), 'secret'), join(folder, 'short')),
      /--ticket-key-file: .*short cannot be used: it has less than 32 bytes/,
    ],
  ])('cannot be made with a key file that %s: exit status 2', async (_, file, message) => {
    const child = await Child.start(process.execPath, [MAIN, '--port', '0', '--ticket-key-file', file()]);
    expect(await child.ended).toBe(2);
    expect(child.stderr).toMatch(message);
    expect(child.stderr).not.toMatch(/^\s+at /m);
  });

  it('and captures have the user in the log whom a trusted proxy names', async () => {
    await using service = await Service.start([
      ...['--user-header', 'X-Forwarded-User', '--trusted-proxy', '127.0.0.0/8'],
    ]);
    const netns = netnsOfThisProcess();
    const alice = { 'X-Forwarded-User': 'alice' };
    const { path } = await ticketFor(service, { netns, nif: 'lo' }, alice);
    const issued = await lineWith(service, 'ticket issued');
    expect(issued).toMatchObject({ user: 'alice', netns });
    {
      // Of a request with a ticket nobody has asked who sends it.
      await using client = await CaptureClient.open(
        service,
        {},
        { path, headers: { 'X-Forwarded-User': 'mallory' } },
      );
      await client.described('lo');
    }
    const ticket = issued['ticket'];
    expect(await lineWith(service, 'capture started')).toMatchObject({ user: 'alice', ticket });
    expect(await lineWith(service, 'capture ended')).toMatchObject({ user: 'alice', ticket });
    {
      await using client = await CaptureClient.open(service, { netns: 4_711 }, { headers: alice });
      await client.ended();
    }
    const refused = await lineWith(service, 'capture refused');
    expect(refused).toMatchObject({ user: 'alice' });
    expect(refused).not.toHaveProperty('ticket');
    expect(service.log).not.toContain('mallory');
  });

  it('and captures have no user in the log whom anybody else names', async () => {
    await using service = await Service.start([
      ...['--user-header', 'X-Forwarded-User', '--trusted-proxy', '192.0.2.1'],
    ]);
    const headers = { 'X-Forwarded-User': 'mallory' };
    const { path } = await ticketFor(service, { netns: netnsOfThisProcess(), nif: 'lo' }, headers);
    await using client = await CaptureClient.open(service, {}, { path, headers });
    await client.described('lo');
    expect(await lineWith(service, 'ticket issued')).not.toHaveProperty('user');
    expect(await lineWith(service, 'capture started')).not.toHaveProperty('user');
    expect(service.log).not.toContain('mallory');
  });
});
