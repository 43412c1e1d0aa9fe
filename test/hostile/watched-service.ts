import { startAllProcesses } from '../kit/all-processes.js';
import { CaptureClient, type CaptureParameters, type ClientOptions } from '../kit/capture-client.js';
import { eventually } from '../kit/eventually.js';
import { NetworkNamespace } from '../kit/namespace.js';
import type { ProcessFacts } from '../kit/processes.js';
import { MAIN, Service } from '../kit/service.js';
import { Bystander } from '../kit/bystander.js';
import { SystemCalls } from './system-calls.js';

const ANSWER_TIMEOUT_MS = 30_000;
const ATTEMPTS = 3;

/** The result of a request; `code` is the close code, or 0 when the capture has started. */
export interface Outcome {
  readonly code: number;
  readonly reason: string;
  readonly ms: number;
}

/** A service traced by strace, a namespace to capture from, and a bystander that captures at the same time. */
export class WatchedService implements AsyncDisposable {
  private constructor(
    readonly service: Service,
    readonly namespace: NetworkNamespace,
    readonly bystander: Bystander,
    private readonly calls: SystemCalls,
    private readonly startupCallCount: number,
    private readonly before: readonly ProcessFacts[],
    private readonly made: AsyncDisposableStack,
  ) {}

  static async start(): Promise<WatchedService> {
    await using made = new AsyncDisposableStack();
    const calls = made.use(new SystemCalls());
    const namespace = made.use(await NetworkNamespace.create());
    await namespace.addWire('eth0', 'eth1');
    const service = made.use(
      await Service.start([], { command: [...calls.command, process.execPath, MAIN] }),
    );
    await startAllProcesses(service);
    const bystander = made.use(await Bystander.join(service));
    const soFar = calls.lines.length;
    return new WatchedService(service, namespace, bystander, calls, soFar, service.processes(), made.move());
  }

  /** Requests a capture; repeats the request when the answer takes too long, because the machine may be busy. */
  async ask(parameters: CaptureParameters, options: ClientOptions, limitMs: number): Promise<Outcome> {
    let outcome = await this.askOnce(parameters, options);
    for (let attempt = 1; attempt < ATTEMPTS && outcome.ms > limitMs; attempt += 1) {
      outcome = await this.askOnce(parameters, options);
    }
    return outcome;
  }

  /** System calls since startup by which a process could reach other programs or hosts. */
  get systemCalls(): string[] {
    return this.calls.lines.slice(this.startupCallCount);
  }

  /** Waits until the service has no more processes than before; only their number counts, as filter compilers change. */
  async nothingIsLeft(): Promise<void> {
    await eventually(
      'the end of the processes started by requests',
      () => this.service.processes().length <= this.before.length,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.made.disposeAsync();
  }

  private async askOnce(parameters: CaptureParameters, options: ClientOptions): Promise<Outcome> {
    const begin = performance.now();
    await using client = await CaptureClient.open(this.service, parameters, options);
    const answered = () => client.closing !== undefined || client.interfaces.length > 0;
    await client.until('an answer', answered, ANSWER_TIMEOUT_MS);
    const { code, reason } = client.interfaces.length > 0 ? { code: 0, reason: '' } : await client.ended();
    return { code, reason, ms: performance.now() - begin };
  }
}
