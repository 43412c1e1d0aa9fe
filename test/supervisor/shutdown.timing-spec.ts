import { WebSocket } from 'ws';
import { describeAsRoot } from '../kit/root.js';
import { MAIN, netnsOfThisProcess, PROJECT, Service, runtimeDirectories } from '../kit/service.js';

/** Opens a capture of `lo` in the namespace of the tests; `closed` resolves with the close code. */
async function capture(service: Service): Promise<{ closed: Promise<number> }> {
  const url = `ws://127.0.0.1:${service.port}/capture?netns=${netnsOfThisProcess()}&nif=lo`;
  const socket = new WebSocket(url);
  const closed = new Promise<number>((resolve) => socket.on('close', resolve));
  await new Promise<void>((resolve, reject) => {
    socket.once('message', () => resolve());
    socket.once('close', (code, reason) => reject(new Error(`refused: ${code} ${reason.toString()}`)));
    socket.once('error', reject);
  });
  return { closed };
}

describeAsRoot('The service', () => {
  it.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
    'closes captures with 1001 on %s, exits with 0 within 5 s, and leaves no processes or files',
    async (signal) => {
      await using service = await Service.start();
      const { closed } = await capture(service);
      service.processes();
      expect(runtimeDirectories(service.pid)).toHaveLength(1);
      const begin = performance.now();
      service.child.signal(signal);
      expect(await closed).toBe(1001);
      expect(await service.child.ended).toBe(0);
      expect(performance.now() - begin).toBeLessThan(5_000);
      await service.nothingIsLeft(100);
      expect(runtimeDirectories(service.pid)).toEqual([]);
    },
  );

  it('shuts down cleanly even if its whole process group receives the signal twice', async () => {
    await using service = await Service.start([], {
      // As a process group leader, like a command in a shell.
      command: ['setsid', process.execPath, MAIN],
    });
    const { closed } = await capture(service);
    service.processes();
    process.kill(-service.pid, 'SIGTERM');
    process.kill(-service.pid, 'SIGTERM');
    expect(await closed).toBe(1001);
    expect(await service.child.ended).toBe(0);
    await service.nothingIsLeft(100);
  });

  it('shuts down cleanly directly after the start', async () => {
    await using service = await Service.start();
    service.processes();
    service.child.signal('SIGTERM');
    expect(await service.child.ended).toBe(0);
    await service.nothingIsLeft(100);
  });

  it('ends within 2 s when the supervisor is killed', async () => {
    await using service = await Service.start();
    await capture(service);
    service.processes();
    service.child.signal('SIGKILL');
    await service.nothingIsLeft(2_000);
    // Only the runtime directory is left, and the next start removes it.
    expect(runtimeDirectories(service.pid)).toHaveLength(1);
    await using next = await Service.start();
    expect(await next.answers()).toBe(true);
    expect(runtimeDirectories(service.pid)).toEqual([]);
  });

  it('shuts down cleanly when npm receives the signal', async () => {
    await using service = await Service.start([], { command: ['npm', '--prefix', PROJECT, 'start', '--'] });
    const { closed } = await capture(service);
    // npm, the supervisor (which replaces the shell), server and engines.
    expect(service.processes().length).toBeGreaterThanOrEqual(4);
    service.child.signal('SIGTERM');
    expect(await closed).toBe(1001);
    expect(await service.child.ended).toBe(0);
    await service.nothingIsLeft(100);
  });
});
