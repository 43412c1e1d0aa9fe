import { setTimeout as sleep } from 'node:timers/promises';
import { startAllProcesses } from '../kit/all-processes.js';
import { CaptureClient } from '../kit/capture-client.js';
import { eventually } from '../kit/eventually.js';
import { describeAsRoot } from '../kit/root.js';
import { netnsOfThisProcess, Service, type RoleName } from '../kit/service.js';

/** Three times the documented 5 s, because the machine may be busy with other tests. */
const DETECTION_TIMEOUT_MS = 15_000;
/** Longer than the timeout of the watchdog. */
const LONG_STOP_MS = 6_000;

const request = { netns: netnsOfThisProcess(), nif: 'lo' };

async function runningCapture(service: Service): Promise<CaptureClient> {
  const client = await CaptureClient.open(service, request);
  await client.described('lo');
  return client;
}

describeAsRoot('A process of the service that hangs', () => {
  it('loses only its own captures, with a reason, if it is an engine', async () => {
    await using service = await Service.start();
    await startAllProcesses(service);
    const engines = service.allInRole('engine');
    // The engine with the fewest captures gets the next one, so that each engine has one.
    const clients = await Promise.all(engines.map(() => runningCapture(service)));
    const begin = performance.now();
    process.kill(engines[0]?.pid ?? 0, 'SIGSTOP');
    // A capture that is requested before the hang is detected is answered, too.
    const late = await CaptureClient.open(service, request);

    await service.child.saying(/engine 0 hangs: no sign of life for \d/, DETECTION_TIMEOUT_MS);
    console.info(`detected within ${Math.round(performance.now() - begin)} ms`);
    await eventually('the end of its captures', () => clients.some(({ closing }) => closing), 5_000);
    const ended = clients.filter(({ closing }) => closing);
    expect(ended.map(({ closing }) => closing)).toEqual([
      { code: 1011, reason: 'the capture engine has failed' },
    ]);
    await eventually('an answer', () => late.closing ?? late.kinds.length > 0);
    await eventually('another engine', () => service.allInRole('engine').length === engines.length);
    await using again = await runningCapture(service);
    expect(again.closing).toBeUndefined();
    for (const client of clients) if (!client.closing) await client.close();
  });

  it.each(['discoverer', 'server'] as const)('is killed and restarted: %s', async (role: RoleName) => {
    await using service = await Service.start();
    await startAllProcesses(service);
    const { pid } = await eventually(role, () => service.inRole(role));
    process.kill(pid, 'SIGSTOP');
    await service.child.saying(/ hangs: no sign of life for \d/, DETECTION_TIMEOUT_MS);
    await eventually(`another ${role}`, () => service.inRole(role).pid !== pid);
    await eventually('the service to answer again', () => service.answers(), DETECTION_TIMEOUT_MS);
  });

  it('does not affect the other processes if it is the supervisor', async () => {
    await using service = await Service.start();
    await startAllProcesses(service);
    await using client = await runningCapture(service);
    const before = service.processes().map(({ pid }) => pid);
    process.kill(service.pid, 'SIGSTOP');
    await sleep(LONG_STOP_MS);
    process.kill(service.pid, 'SIGCONT');
    await sleep(LONG_STOP_MS / 4);
    expect(service.processes().map(({ pid }) => pid)).toEqual(before);
    expect(client.closing).toBeUndefined();
    expect(service.log).not.toMatch(/hangs/);
  });

  it('is not reported when all processes were stopped, as by suspending the machine', async () => {
    await using service = await Service.start();
    await startAllProcesses(service);
    await using client = await runningCapture(service);
    const pids = service.processes().map(({ pid }) => pid);
    for (const pid of pids) process.kill(pid, 'SIGSTOP');
    await sleep(LONG_STOP_MS);
    // The supervisor continues first and polls before the others can report.
    for (const pid of pids) process.kill(pid, 'SIGCONT');
    await sleep(LONG_STOP_MS / 4);
    expect(service.processes().map(({ pid }) => pid)).toEqual(pids);
    expect(client.closing).toBeUndefined();
  });
});
