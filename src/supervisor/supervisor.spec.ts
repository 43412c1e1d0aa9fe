import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ChildProcess } from './child-process.js';
import { Supervisor, type PrivilegedChildSpec } from './supervisor.js';

const FIXTURE = fileURLToPath(new URL('./fixtures/child.mjs', import.meta.url));

/** Launches stand-ins and remembers them for assertions. */
class Launcher {
  readonly launched: ChildProcess[] = [];

  constructor(private readonly args: readonly string[]) {}

  readonly launch = (onStartRequest?: (path: string) => void): ChildProcess => {
    const command = { file: process.execPath, args: [FIXTURE, ...this.args] };
    const child = new ChildProcess(command, process.env, onStartRequest);
    this.launched.push(child);
    return child;
  };

  get pids(): number[] {
    return this.launched.flatMap(({ pid }) => pid ?? []);
  }
}

async function eventually(holds: () => boolean, what: string): Promise<void> {
  for (const deadline = Date.now() + 5_000; !holds(); await sleep(10)) {
    if (Date.now() > deadline) throw new Error(`not within 5 s: ${what}`);
  }
}

const isAlive = (pid: number): boolean => existsSync(`/proc/${pid}`);

describe('Supervisor', () => {
  let scratch: string;
  let log: string[];
  const launchers: Launcher[] = [];

  beforeEach(() => {
    scratch = mkdtempSync(join(tmpdir(), 'supervisor-spec-'));
    log = [];
  });
  afterEach(() => {
    for (const { launched } of launchers.splice(0)) for (const child of launched) child.kill();
    rmSync(scratch, { recursive: true });
  });

  function launcher(...args: string[]): Launcher {
    const created = new Launcher(args);
    launchers.push(created);
    return created;
  }

  function supervise(server: Launcher, ...engines: Launcher[]) {
    return superviseSpecs(
      server,
      engines.map((engine, index) => privileged(`engine ${index}`, engine)),
    );
  }

  function superviseSpecs(server: Launcher, specs: readonly PrivilegedChildSpec[]) {
    const supervisor = new Supervisor({ server: server.launch, privileged: specs }, (line) => log.push(line));
    return { supervisor, status: supervisor.run() };
  }

  function privileged(name: string, { launch }: Launcher, onDemand = false): PrivilegedChildSpec {
    return { name, socketPath: `/run/${name}`, onDemand, launch: () => launch() };
  }

  function expectAllGone(): void {
    expect(launchers.flatMap(({ pids }) => pids).filter(isAlive)).toEqual([]);
  }

  it('ends server and engines, and exits with status 0, on a signal that arrives twice', async () => {
    const server = launcher('obedient');
    const { supervisor, status } = supervise(server, launcher('obedient'), launcher('obedient'));
    await server.launched[0]?.becameReady();
    supervisor.shutDown('SIGTERM');
    supervisor.shutDown('SIGTERM');
    expect(await status).toBe(0);
    expectAllGone();
  });

  it('can be ended while its children are still starting', async () => {
    const { supervisor, status } = supervise(launcher('obedient'), launcher('obedient'));
    supervisor.shutDown('SIGTERM');
    expect(await status).toBe(0);
    expectAllGone();
  });

  it('kills children that do not end, within 5 s', async () => {
    const server = launcher('stubborn');
    const { supervisor, status } = supervise(server, launcher('stubborn'));
    await server.launched[0]?.becameReady();
    const begin = performance.now();
    supervisor.shutDown('SIGTERM');
    expect(await status).toBe(0);
    expect(performance.now() - begin).toBeLessThan(5_000);
    expectAllGone();
  }, 10_000);

  it('kills its children at once on a second, later request', async () => {
    const server = launcher('stubborn');
    const { supervisor, status } = supervise(server, launcher('stubborn'));
    await server.launched[0]?.becameReady();
    const begin = performance.now();
    supervisor.shutDown('SIGINT');
    await sleep(1_100);
    supervisor.shutDown('SIGINT');
    expect(await status).toBe(0);
    expect(performance.now() - begin).toBeLessThan(2_500);
    expectAllGone();
  });

  it.each([1, 2])(
    'exits with status %i of a server that fails to start, and ends the engines',
    async (failure) => {
      const { status } = supervise(launcher('fails', String(failure)), launcher('obedient'));
      expect(await status).toBe(failure);
      expectAllGone();
    },
  );

  it('restarts a server that dies after it was ready', async () => {
    const server = launcher('obedient');
    const { supervisor, status } = supervise(server, launcher('obedient'));
    await server.launched[0]?.becameReady();
    server.launched[0]?.kill();
    await eventually(() => server.launched.length === 2, 'another server');
    expect(await server.launched[1]?.becameReady()).toBe(true);
    expect(log).toEqual(['server was ended by SIGKILL; restarting it in 100 ms']);
    supervisor.shutDown('SIGTERM');
    expect(await status).toBe(0);
    expectAllGone();
  });

  it('restarts an engine that dies, even before the server is ready', async () => {
    const engine = launcher('dies-once', join(scratch, 'died'));
    const { supervisor, status } = supervise(launcher('obedient'), engine);
    await eventually(() => engine.launched.length === 2, 'another engine');
    expect(log).toEqual(['engine 0 ended with status 1; restarting it in 100 ms']);
    supervisor.shutDown('SIGTERM');
    expect(await status).toBe(0);
    expectAllGone();
  });

  it('kills and restarts an engine that is in an endless loop', async () => {
    const engine = launcher('hangs-once', join(scratch, 'hung'));
    const { supervisor, status } = supervise(launcher('obedient'), engine);
    await engine.launched[0]?.becameReady();
    const begin = performance.now();
    await engine.launched[0]?.ended;
    // 5 s, and more if the engine has to wait for a processor.
    expect(performance.now() - begin).toBeLessThan(12_000);
    expect(log[0]).toMatch(/^engine 0 hangs: no sign of life for \d+\.\d s; killing it$/);
    await eventually(() => engine.launched.length === 2, 'another engine');
    expect(await engine.launched[1]?.becameReady()).toBe(true);
    supervisor.shutDown('SIGTERM');
    expect(await status).toBe(0);
    expectAllGone();
  }, 25_000);

  it('starts a child on demand when the server asks for it, once, and ends it with the others', async () => {
    const wanted = launcher('obedient');
    const other = launcher('obedient');
    const server = launcher('asks', '/run/engine 1', '/run/engine 1', '/run/nothing', '/run/engine 1');
    const { supervisor, status } = superviseSpecs(server, [
      privileged('engine 1', wanted, true),
      privileged('discoverer', other, true),
    ]);
    await eventually(() => wanted.launched.length > 0, 'the engine');
    expect(await wanted.launched[0]?.becameReady()).toBe(true);
    expect([wanted.launched.length, other.launched.length]).toEqual([1, 0]);
    supervisor.shutDown('SIGTERM');
    expect(await status).toBe(0);
    expectAllGone();
  });

  it('lets a child on demand end by itself, and starts it again when it is asked for', async () => {
    const engine = launcher('rests');
    const server = launcher('asks', '/run/engine 1');
    const { supervisor, status } = superviseSpecs(server, [privileged('engine 1', engine, true)]);
    await eventually(() => engine.launched.length === 1, 'the engine');
    await engine.launched[0]?.ended;
    await sleep(300);
    expect(engine.launched).toHaveLength(1);
    server.launched[0]?.kill(); // the next one asks again
    await eventually(() => engine.launched.length === 2, 'the engine again');
    expect(log).toEqual(['server was ended by SIGKILL; restarting it in 100 ms']);
    supervisor.shutDown('SIGTERM');
    expect(await status).toBe(0);
    expectAllGone();
  });

  it('restarts a child on demand that dies', async () => {
    const discoverer = launcher('dies-once', join(scratch, 'died'));
    const specs = [privileged('discoverer', discoverer, true)];
    const { supervisor, status } = superviseSpecs(launcher('asks', '/run/discoverer'), specs);
    await eventually(() => discoverer.launched.length === 2, 'another discoverer');
    expect(log).toEqual(['discoverer ended with status 1; restarting it in 100 ms']);
    supervisor.shutDown('SIGTERM');
    expect(await status).toBe(0);
    expectAllGone();
  });

  it('waits longer before each restart of an engine that keeps dying, and can be ended in such a pause', async () => {
    const engine = launcher('fails', '3');
    const { supervisor, status } = supervise(launcher('obedient'), engine);
    await eventually(() => log.length === 4, 'four deaths of the engine');
    expect(log.map((line) => /(\d+) ms$/.exec(line)?.[1])).toEqual(['100', '200', '400', '800']);
    supervisor.shutDown('SIGTERM');
    expect(await status).toBe(0);
    const count = engine.launched.length;
    await sleep(1_000);
    expect(engine.launched).toHaveLength(count);
  });

  it('tries again when there is no memory for another engine', async () => {
    const engine = launcher('obedient');
    let attempts = 0;
    const launch = () => {
      attempts++;
      if (attempts === 2) throw new Error('spawn ENOMEM');
      return engine.launch();
    };
    const spec = { ...privileged('engine', engine), launch };
    const { supervisor, status } = superviseSpecs(launcher('obedient'), [spec]);
    await eventually(() => engine.launched.length === 1, 'the engine');
    engine.launched[0]?.kill();
    await eventually(() => engine.launched.length === 2, 'another engine');
    expect(log.slice(0, 2)).toEqual([
      expect.stringMatching(/^engine was ended by SIGKILL/),
      'engine could not be started: spawn ENOMEM; restarting it in 200 ms',
    ]);
    supervisor.shutDown('SIGTERM');
    expect(await status).toBe(0);
    expectAllGone();
  });

  it('logs that the server cannot be started, and exits with status 1', async () => {
    const missing = () => new ChildProcess({ file: '/nonexistent', args: [] }, process.env);
    const supervisor = new Supervisor({ server: missing, privileged: [] }, (line) => log.push(line));
    expect(await supervisor.run()).toBe(1);
    expect(log.join('\n')).toMatch(/could not be started.*ENOENT/);
  });
});
