import { setTimeout as sleep } from 'node:timers/promises';
import type { ClientProcess, Streams } from '../client/client-process.js';
import type { TestBed } from '../load/test-bed.js';
import type { Outcome, Run, Subject } from './subject.js';

/** Statistics come once a second while the counts change. */
const STATISTICS_MS = 1_200;

export interface ServiceAddress {
  readonly name: string;
  /** `ws://host:port` */
  readonly url: string;
  /** The process that has started all others of the service. */
  readonly pid: number;
}

/** Whatever speaks the `/capture` API: our own service, or a peer. */
export class ServiceSubject implements Subject {
  constructor(
    private readonly address: ServiceAddress,
    private readonly client: ClientProcess,
    private readonly everyLatency = false,
  ) {}

  get name(): string {
    return this.address.name;
  }

  get pid(): number {
    return this.address.pid;
  }

  /** For plain HTTP. */
  url(path: string): string {
    return this.address.url.replace(/^ws/, 'http') + path;
  }

  async start(bed: TestBed): Promise<ServiceRun> {
    return new ServiceRun(this.address.pid, await this.open(bed, [bed.captured()]));
  }

  /** Opens captures at once. */
  open(bed: TestBed, interfaces: readonly string[], count = 1, filter = ''): Promise<Streams> {
    const query = new URLSearchParams({ netns: String(bed.namespace.inode), nif: interfaces.join('/') });
    if (filter) query.set('filter', filter);
    return this.client.open(`${this.address.url}/capture?${query.toString()}`, count, this.everyLatency);
  }
}

export class ServiceRun implements Run {
  readonly pids: readonly number[];

  constructor(
    pid: number,
    readonly streams: Streams,
  ) {
    this.pids = [pid];
  }

  async settle(): Promise<void> {
    await this.streams.quiet();
    await sleep(STATISTICS_MS);
  }

  async stop(): Promise<Outcome> {
    const [report] = await this.streams.report(true);
    this.streams.close();
    if (!report) throw new Error('the client has lost a stream');
    const damage =
      report.damage ?? report.closing ?? (report.whole ? undefined : 'the stream ends in the middle');
    return {
      delivered: report.packets,
      dropped: report.dropped,
      messages: report.messages,
      bytes: report.bytes,
      latencies: report.latencies,
      ...(damage && { damage }),
    };
  }
}
