import { Service } from '../test/kit/service.js';
import { ClientProcess } from './client/client-process.js';
import { LoadGenerator } from './load/load-generator.js';
import { TestBed } from './load/test-bed.js';
import type { BenchOptions } from './options.js';
import { DUMPCAP, ProgramSubject, TCPDUMP } from './subjects/program-subject.js';
import { peerAt, ServiceSubject, type ServiceAddress } from './subjects/service-subject.js';
import type { Subject } from './subjects/subject.js';

/** The resources of the scenarios. Disposing of it removes everything that was created through it. */
export class Bench implements AsyncDisposable {
  private readonly resources = new AsyncDisposableStack();
  private disposal: Promise<void> | undefined;

  private constructor(
    readonly options: BenchOptions,
    readonly generator: LoadGenerator,
    readonly client: ClientProcess,
    readonly service: Service,
    private readonly peer: ServiceAddress | undefined,
  ) {}

  static async create(options: BenchOptions): Promise<Bench> {
    await using created = new AsyncDisposableStack();
    const peer = options.peer === undefined ? undefined : await peerAt(options.peer, options.peerPid);
    const generator = created.use(await LoadGenerator.create(options.generator));
    const client = created.use(await ClientProcess.start());
    const service = created.use(await Service.start());
    const bench = new Bench(options, generator, client, service, peer);
    bench.resources.use(created.move());
    return bench;
  }

  /** A namespace with veth pairs; it exists until the end of the benchmark or until `end` is called on it. */
  testBed(wires = 1): Promise<TestBed> {
    return TestBed.create(wires, (namespace) => this.resources.use(namespace));
  }

  /** Our service first, then the peer. */
  services(everyLatency = false): ServiceSubject[] {
    const ours = { name: 'packetflix', url: this.service.url('', 'ws'), pid: this.service.pid };
    return [ours, ...(this.peer ? [this.peer] : [])].map(
      (address) => new ServiceSubject(address, this.client, everyLatency),
    );
  }

  /** All subjects: our own service first, then dumpcap, which is the reference. */
  subjects(): Subject[] {
    const [ours, ...peers] = this.services();
    const programs = [DUMPCAP, ...(this.options.tcpdump ? [TCPDUMP] : [])];
    return [...(ours ? [ours] : []), ...programs.map((program) => new ProgramSubject(program)), ...peers];
  }

  /** Reports progress on standard error; results go to standard output. */
  progress(text: string): void {
    process.stderr.write(`bench: ${text}\n`);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return (this.disposal ??= this.resources.disposeAsync());
  }
}
