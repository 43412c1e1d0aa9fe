import { Service } from '../test/kit/service.js';
import { ClientProcess } from './client/client-process.js';
import { LoadGenerator } from './load/load-generator.js';
import { TestBed } from './load/test-bed.js';
import type { BenchOptions } from './options.js';
import { peerAt } from './subjects/peer.js';
import { DUMPCAP, ProgramSubject, TCPDUMP } from './subjects/program-subject.js';
import { ServiceSubject, type ServiceAddress } from './subjects/service-subject.js';
import type { Subject } from './subjects/subject.js';

/** What scenarios work with. All that is made through it is removed when it is disposed of, at the latest. */
export class Bench implements AsyncDisposable {
  private readonly belongings = new AsyncDisposableStack();
  private disposal: Promise<void> | undefined;

  private constructor(
    readonly options: BenchOptions,
    readonly generator: LoadGenerator,
    readonly client: ClientProcess,
    readonly service: Service,
    private readonly peer: ServiceAddress | undefined,
  ) {}

  static async create(options: BenchOptions): Promise<Bench> {
    await using made = new AsyncDisposableStack();
    const peer = options.peer === undefined ? undefined : await peerAt(options.peer);
    const generator = made.use(await LoadGenerator.create(options.generator));
    const client = made.use(await ClientProcess.start());
    const service = made.use(await Service.start());
    const bench = new Bench(options, generator, client, service, peer);
    bench.belongings.use(made.move());
    return bench;
  }

  /** A namespace with wires, until the end of the benchmark or until `end` is called on it. */
  testBed(wires = 1): Promise<TestBed> {
    return TestBed.create(wires, (namespace) => this.belongings.use(namespace));
  }

  /** Our service first, then the peer. */
  services(everyLatency = false): ServiceSubject[] {
    const ours = { name: 'packetflix', url: this.service.url('', 'ws'), pid: this.service.pid };
    return [ours, ...(this.peer ? [this.peer] : [])].map(
      (address) => new ServiceSubject(address, this.client, everyLatency),
    );
  }

  /** All that capture, our own service first and dumpcap, what the others are compared with, second. */
  subjects(): Subject[] {
    const [ours, ...peers] = this.services();
    const programs = [DUMPCAP, ...(this.options.tcpdump ? [TCPDUMP] : [])];
    return [...(ours ? [ours] : []), ...programs.map((program) => new ProgramSubject(program)), ...peers];
  }

  /** Tells how far it is; the results go to standard output. */
  progress(text: string): void {
    process.stderr.write(`bench: ${text}\n`);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return (this.disposal ??= this.belongings.disposeAsync());
  }
}
