import { CaptureClient, type CaptureParameters, type ClientOptions } from '../kit/capture-client.js';
import { eventually } from '../kit/eventually.js';
import { NetworkNamespace } from '../kit/namespace.js';
import type { ProcessFacts } from '../kit/processes.js';
import { MAIN, Service } from '../kit/service.js';
import { Bystander } from '../kit/bystander.js';
import { SystemCalls } from './system-calls.js';

const PATIENCE_MS = 30_000;
const ATTEMPTS = 3;

/** What came of a request: a close code, or 0 when a capture began. */
export interface Outcome {
  readonly code: number;
  readonly reason: string;
  readonly ms: number;
}

/** A service under the eyes of strace, a namespace to ask it for, and somebody else who captures meanwhile. */
export class WatchedService implements AsyncDisposable {
  private constructor(
    readonly service: Service,
    readonly namespace: NetworkNamespace,
    readonly bystander: Bystander,
    private readonly calls: SystemCalls,
    private readonly callsOfTheStart: number,
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
    const bystander = made.use(await Bystander.join(service));
    const soFar = calls.lines.length;
    return new WatchedService(service, namespace, bystander, calls, soFar, service.processes(), made.move());
  }

  /** Asks, and asks again where the answer is late: machines have other things to do at times. */
  async ask(parameters: CaptureParameters, options: ClientOptions, limitMs: number): Promise<Outcome> {
    let outcome = await this.askOnce(parameters, options);
    for (let attempt = 1; attempt < ATTEMPTS && outcome.ms > limitMs; attempt += 1) {
      outcome = await this.askOnce(parameters, options);
    }
    return outcome;
  }

  /** System calls since the start, by which a process may reach others. */
  get systemCalls(): string[] {
    return this.calls.lines.slice(this.callsOfTheStart);
  }

  /** Waits until no more processes are there than were before; spare filter compilers come and go. */
  async nothingStays(): Promise<void> {
    await eventually('what was started to end', () => this.service.processes().length <= this.before.length);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.made.disposeAsync();
  }

  private async askOnce(parameters: CaptureParameters, options: ClientOptions): Promise<Outcome> {
    const begin = performance.now();
    await using client = await CaptureClient.open(this.service, parameters, options);
    const answered = () => client.closing !== undefined || client.interfaces.length > 0;
    await client.until('an answer', answered, PATIENCE_MS);
    const { code, reason } = client.interfaces.length > 0 ? { code: 0, reason: '' } : await client.ended();
    return { code, reason, ms: performance.now() - begin };
  }
}
