import { readdirSync } from 'node:fs';
import type { CaptureSpec } from '../../src/shared/protocol/capture-spec.js';
import { EngineCaptureProvider } from '../../src/server/engine-client/engine-capture-provider.js';
import {
  type CaptureProviderSubject,
  describeCaptureProvider,
  newCaptureId,
} from '../contracts/capture-provider.contract.js';
import { PLAIN_SPEC } from '../fixtures/capture-spec.js';
import { hasAllThreads } from '../kit/all-processes.js';
import { Engine } from '../kit/engine.js';
import { eventually } from '../kit/eventually.js';
import { namespaceOfProcess } from '../kit/namespace-holders.js';
import { startTimeOf } from '../kit/processes.js';
import { describeAsRoot } from '../kit/root.js';
import { addNamedInterface } from './targets.js';

const WARM_UP_CAPTURES = 8;

/** Runs the contract of all capture providers for that of the service. */
describeAsRoot('With a real engine and a real namespace,', () => {
  describeCaptureProvider('EngineCaptureProvider', async (): Promise<CaptureProviderSubject> => {
    await using made = new AsyncDisposableStack();
    const namespace = made.use(await namespaceOfProcess());
    await addNamedInterface(namespace, 'first0');
    const engine = made.use(await Engine.start());
    const provider = new EngineCaptureProvider({ engineSockets: [engine.socket] });
    provider.onModuleInit();
    made.defer(() => provider.onApplicationShutdown());

    const { inode: netns, pid } = namespace;
    const request = { ...PLAIN_SPEC, reference: { netns, pid, startTime: startTimeOf(pid) } };
    const heldResources = () => readdirSync(`/proc/${engine.pid}/fd`).length;
    await eventually('all threads', () => warmUp(provider, request, engine.pid, heldResources), 30_000);
    const all = made.move();
    return {
      provider,
      request,
      refused: {
        'a namespace that does not exist': { ...request, reference: { netns: 1 } },
        'a process that does not exist': { ...request, reference: { netns, pid: 2 ** 31 } },
        'a process with another start time': { ...request, reference: { netns, pid, startTime: 1 } },
        'an interface that does not exist': { ...request, interfaces: ['first1'] },
        'an interface name with a special meaning to libpcap': { ...request, interfaces: ['nflog'] },
        'a filter that does not compile': { ...request, filter: 'nonsense' },
      },
      heldResources,
      dispose: () => all.disposeAsync(),
    };
  });
});

/** Makes the engine start threads. @returns whether it has all of them */
async function warmUp(
  provider: EngineCaptureProvider,
  request: CaptureSpec,
  engine: number,
  heldResources: () => number,
): Promise<boolean> {
  const { signal } = new AbortController();
  const open = () => provider.open({ ...request, captureId: newCaptureId() }, signal);
  const captures = await Promise.all(Array.from({ length: WARM_UP_CAPTURES }, open));
  const nowhere = { ...request, captureId: newCaptureId(), reference: { netns: 1 } };
  await expect(provider.open(nowhere, signal)).rejects.toThrow();
  const held = heldResources();
  for (const capture of captures) await capture.chunks[Symbol.asyncIterator]().return?.();
  // Each has at least a ring, a namespace, and a connection.
  await eventually('the end of all captures', () => heldResources() <= held - 3 * WARM_UP_CAPTURES);
  return hasAllThreads(engine);
}
