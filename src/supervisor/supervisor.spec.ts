import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ChildProcess } from './child-process.js';
import { Supervisor } from './supervisor.js';

const FIXTURE = fileURLToPath(new URL('./fixtures/child.mjs', import.meta.url));

/** Launches stand-ins and remembers them for assertions. */
class Launcher {
  readonly launched: ChildProcess[] = [];

  constructor(private readonly args: readonly string[]) {}

  readonly launch = (): ChildProcess => {
    const child = new ChildProcess({ file: process.execPath, args: [FIXTURE, ...this.args] }, process.env);
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
    const specs = { server: server.launch, engines: engines.map(({ launch }) => launch) };
    const supervisor = new Supervisor(specs, (line) => log.push(line));
    return { supervisor, status: supervisor.run() };
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

  it('restarts a discoverer that dies, and ends it with the others', async () => {
    const discoverer = launcher('dies-once', join(scratch, 'died'));
    const specs = { server: launcher('obedient').launch, engines: [], discoverer: discoverer.launch };
    const supervisor = new Supervisor(specs, (line) => log.push(line));
    const status = supervisor.run();
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

  it('logs that the server cannot be started, and exits with status 1', async () => {
    const missing = () => new ChildProcess({ file: '/nonexistent', args: [] }, process.env);
    const supervisor = new Supervisor({ server: missing, engines: [] }, (line) => log.push(line));
    expect(await supervisor.run()).toBe(1);
    expect(log.join('\n')).toMatch(/could not be started.*ENOENT/);
  });
});
