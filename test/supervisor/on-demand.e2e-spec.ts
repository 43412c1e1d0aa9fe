import { isDeepStrictEqual } from 'node:util';
import { CaptureClient } from '../kit/capture-client.js';
import { connectedEngines, ENGINES, startAllProcesses } from '../kit/all-processes.js';
import { eventually } from '../kit/eventually.js';
import { describeAsRoot } from '../kit/root.js';
import { netnsOfThisProcess, Service } from '../kit/service.js';

/** Processes with nothing to do end after 30 s. */
const END_TIMEOUT_MS = 60_000;

const request = { netns: netnsOfThisProcess(), nif: 'lo' };

function countsOf(service: Service): Record<'engine' | 'discoverer' | 'filter compiler', number> {
  const count = (role: 'engine' | 'discoverer' | 'filter compiler') => service.allInRole(role).length;
  return {
    engine: count('engine'),
    discoverer: count('discoverer'),
    'filter compiler': count('filter compiler'),
  };
}

async function runningCapture(service: Service, parameters: object = request): Promise<CaptureClient> {
  const client = await CaptureClient.open(service, parameters);
  await client.described('lo');
  return client;
}

describeAsRoot('The service', () => {
  it('starts processes when there is work for them, ends them when there is none, and starts them again', async () => {
    await using service = await Service.start();
    expect(countsOf(service)).toEqual({ engine: 1, discoverer: 0, 'filter compiler': 0 });

    for (let round = 0; round < 2; round += 1) {
      await startAllProcesses(service);
      const all = { engine: ENGINES, discoverer: 1, 'filter compiler': 1 };
      // The title of a process says its role when it has loaded its code.
      await eventually('all processes', () => isDeepStrictEqual(countsOf(service), all));
      // A capture keeps its engine and a free one, and nothing else.
      await using client = await runningCapture(service);
      await eventually(
        'the end of the others',
        () => {
          const { engine, ...others } = countsOf(service);
          return engine <= 2 && others.discoverer + others['filter compiler'] === 0;
        },
        END_TIMEOUT_MS,
      );
      await client.close();
    }
    await eventually('the end of all but one engine', () => countsOf(service).engine === 1, END_TIMEOUT_MS);
    expect(service.log).not.toMatch(/restarting|failed|error/i);
  }, 240_000);

  it('gives captures that run at the same time to different engines', async () => {
    await using service = await Service.start();
    await using captures = new AsyncDisposableStack();
    for (let count = 1; count <= ENGINES; count += 1) {
      await eventually('an engine without captures', async () => (await connectedEngines(service)) >= count);
      captures.use(await runningCapture(service));
    }
    const metrics = await (await fetch(service.url('/metrics'))).text();
    const counts = [...metrics.matchAll(/^packetflix_engine_captures\{engine="\d"\} (\d+)$/gm)];
    expect(counts.map(([, captures]) => captures)).toEqual(Array<string>(ENGINES).fill('1'));
  });

  it('restarts an engine that started on demand and was killed, and ends only its captures', async () => {
    await using service = await Service.start();
    await using first = await runningCapture(service);
    await eventually('another engine', async () => (await connectedEngines(service)) === 2);
    await using second = await runningCapture(service);
    const [, engine] = service.allInRole('engine');
    process.kill(engine?.pid ?? 0, 'SIGKILL');
    expect(await second.ended()).toEqual({ code: 1011, reason: 'the capture engine has failed' });
    await service.child.saying(/engine 1 was ended by SIGKILL; restarting it in 100 ms/);
    await eventually('the engine again', async () => (await connectedEngines(service)) === 2);
    expect(first.closing).toBeUndefined();
  });

  it('captures with another engine while the first one cannot be reached', async () => {
    await using service = await Service.start();
    const [engine] = service.allInRole('engine');
    process.kill(service.pid, 'SIGSTOP'); // so that it does not restart the engine yet
    process.kill(engine?.pid ?? 0, 'SIGKILL');
    await eventually('the loss of the engine', async () => (await connectedEngines(service)) === 0);
    await using client = await CaptureClient.open(service, request);
    process.kill(service.pid, 'SIGCONT');
    await client.described('lo');
    expect(client.closing).toBeUndefined();
  });
});
