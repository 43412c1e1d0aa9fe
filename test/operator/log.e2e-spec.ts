import { CaptureClient } from '../kit/capture-client.js';
import { Child } from '../kit/child.js';
import { eventually } from '../kit/eventually.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { describeAsRoot } from '../kit/root.js';
import { MAIN, Service } from '../kit/service.js';

interface LogRecord {
  readonly time: string;
  readonly level: string;
  readonly role: string;
  readonly pid: number;
  readonly message: string;
  readonly capture?: string;
  readonly [fact: string]: unknown;
}

/** Parses the log; throws unless each line is JSON. */
function recordsOf(log: string): LogRecord[] {
  return log
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as LogRecord);
}

describeAsRoot('The log in JSON', () => {
  it('contains the ID of a capture, which is also in its stream, at its start and end', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    await using service = await Service.start();
    const open = async (): Promise<string> => {
      await using client = await CaptureClient.open(service, {
        netns: namespace.inode,
        nif: 'eth0',
        filter: 'tcp',
      });
      await client.described('eth0');
      return /^capture: ([a-z-]+)$/m.exec(client.comments[1] ?? '')?.[1] ?? 'none';
    };
    const ids = [await open(), await open()];
    expect(new Set(ids).size).toBe(2);
    for (const id of ids) {
      const records = await eventually('both lines', () => {
        const about = recordsOf(service.log).filter(({ capture }) => capture === id);
        return about.length >= 2 && about;
      });
      expect(records).toMatchObject([
        {
          message: 'capture started',
          role: 'server',
          netns: namespace.inode,
          interfaces: 'eth0',
          filter: 'tcp',
        },
        {
          message: 'capture ended',
          role: 'server',
          code: 1000,
          cause: 'client-left',
          reason: 'the client left',
        },
      ]);
      expect(records.every(({ client }) => /^127\.0\.0\.1 port \d+$/.test(String(client)))).toBe(true);
    }
  });

  it('reports the protocol error of a client', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    await using service = await Service.start();
    await using client = await CaptureClient.open(service, { netns: namespace.inode });
    await client.described('eth0');
    client.send('x'.repeat(2_000));
    expect((await client.ended()).code).toBe(1009);
    const end = await eventually('the end', () =>
      recordsOf(service.log).find(({ message }) => message === 'capture ended'),
    );
    expect(end).toMatchObject({ cause: 'client-left', clientError: 'Max payload size exceeded' });
  });

  it('has the same form for all processes of the service', async () => {
    await using service = await Service.start();
    const engine = service.inRole('engine');
    process.kill(engine.pid, 'SIGKILL');
    await service.child.saying(/restarting it/);
    const records = recordsOf(service.log);
    expect(records.map(({ role }) => role)).toEqual(expect.arrayContaining(['server', 'supervisor']));
    expect(records).toContainEqual({
      level: 'warn',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) as string,
      role: 'supervisor',
      pid: service.pid,
      message: expect.stringMatching(/^engine \d was ended by SIGKILL; restarting it in 100 ms$/) as string,
    });
  });

  it.each(['engine', 'discoverer'])('includes the failure of a process: %s', async (role) => {
    const child = await Child.start(process.execPath, [MAIN, role, '--socket', '/nonexistent/x.sock']);
    expect(await child.ended).toBe(1);
    expect(recordsOf(child.stderr)).toMatchObject([
      {
        level: 'fatal',
        role,
        pid: child.pid,
        message: expect.stringContaining('/nonexistent/x.sock') as string,
      },
    ]);
  });
});

describeAsRoot('The log in text', () => {
  it('has one line per event', async () => {
    await using service = await Service.start(['--log-format', 'text']);
    await using client = await CaptureClient.open(service, { netns: 'none "at all"\n' });
    await client.ended();
    const line = await eventually('the line', () => /^.* capture refused .*$/m.exec(service.log)?.[0]);
    expect(line).toMatch(
      /^\S+Z WARN {2}server \d+ Capture: capture refused capture=[a-z]+-[a-z]+-[a-z]+ code=4400 cause=invalid-request reason="netns must .*, not \\"none .*" bytes=0 seconds=[\d.]+ client="127/,
    );
    service.terminate();
    await eventually('the end', () => / supervisor \d+: SIGTERM: shutting down$/m.test(service.log));
  });
});
