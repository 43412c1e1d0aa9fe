import { availableParallelism } from 'node:os';
import { CaptureClient, type Addressable } from './capture-client.js';
import { eventually } from './eventually.js';
import { NetworkNamespace } from './namespace.js';
import { threadsNamed } from './processes.js';
import { netnsOfThisProcess, type Service } from './service.js';

/** How many engines the service starts at most. */
export const ENGINES = Math.min(availableParallelism(), 4);

/** How many opener threads an engine starts at most. */
const OPENERS = 4;
/** Captures that are opened at once: enough for an engine to start more opener threads. */
const CAPTURES_PER_ENGINE = 24;

/** Number of engines that the service is connected to. */
export async function connectedEngines(service: Addressable): Promise<number> {
  const { parts } = (await (await fetch(service.url('/readyz', 'http'))).json()) as {
    parts?: { engines?: { message: string } };
  };
  return Number(/^\d+/.exec(parts?.engines?.message ?? '')?.[0] ?? 0);
}

/** A filter is compiled only the first time. */
let lastPort = 0;

/**
 * Makes the service start all that it starts on demand: engines, the discoverer and a filter compiler. They end when they have had
 * nothing to do for 30 s.
 */
export async function startAllProcesses(service: Addressable): Promise<void> {
  await using captures = new AsyncDisposableStack();
  for (let count = 1; count <= ENGINES; count += 1) {
    await eventually(`${count} engines`, async () => (await connectedEngines(service)) >= count, 30_000);
    // The engine with the fewest captures gets it.
    const request = { netns: netnsOfThisProcess(), nif: 'lo', filter: `tcp port ${++lastPort}` };
    const client = captures.use(await CaptureClient.open(service, request));
    await client.until('the interface', () => client.interfaces.length > 0, 30_000);
  }
  await using lookup = await CaptureClient.open(service, { container: { name: 'nobody-has-this-name' } });
  await lookup.ended(30_000);
}

/** Whether an engine has started all threads that it starts on demand: each opens descriptors that it keeps. */
export function hasAllThreads(engine: number): boolean {
  return threadsNamed('opener', engine) === OPENERS && threadsNamed('searcher', engine) === 1;
}

/**
 * Makes all processes and threads start that start on demand.
 *
 * @returns many captures, which keep the engines running
 */
export async function startAllThreads(service: Service): Promise<AsyncDisposableStack> {
  await startAllProcesses(service);
  await using made = new AsyncDisposableStack();
  // It has no process, so that it must be searched for.
  const namespace = made.use(await NetworkNamespace.create());
  await namespace.setUp('lo');
  const captures = await eventually(
    'all threads of all engines',
    async () => {
      await using clients = new AsyncDisposableStack();
      const open = async (): Promise<void> => {
        const client = clients.use(await CaptureClient.open(service, { netns: namespace.inode }));
        await client.described('lo');
      };
      await Promise.all(Array.from({ length: CAPTURES_PER_ENGINE * ENGINES }, open));
      return service.allInRole('engine').every(({ pid }) => hasAllThreads(pid)) && clients.move();
    },
    60_000,
  );
  made.use(captures);
  return made.move();
}
