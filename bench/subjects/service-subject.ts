import { readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { run } from '../../test/kit/run.js';
import type { ClientProcess, Streams } from '../client/client-process.js';
import type { TestBed } from '../load/test-bed.js';
import type { Outcome, Run, Subject } from './subject.js';

/** The service sends statistics once a second while the counts change. */
const STATISTICS_MS = 1_200;

export interface ServiceAddress {
  readonly name: string;
  /** `ws://host:port` */
  readonly url: string;
  /** Process ID of the ancestor of all processes of the service. */
  readonly pid: number;
}

/** A service with the `/capture` API: our own or a peer. */
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

  /** URL for plain HTTP. */
  url(path: string): string {
    return this.address.url.replace(/^ws/, 'http') + path;
  }

  async start(bed: TestBed): Promise<ServiceRun> {
    return new ServiceRun(this.address.pid, await this.open(bed, [bed.captured()]));
  }

  /** Opens captures simultaneously. */
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
      report.damage ?? report.closing ?? (report.whole ? undefined : 'the stream ends within a block');
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

/**
 * Another service on this machine.
 *
 * @param pid default: the topmost process of its program, which is the one that listens or one of its ancestors
 */
export async function peerAt(text: string, pid?: number): Promise<ServiceAddress> {
  const url = new URL(text.includes('://') ? text : `ws://${text}`);
  return { name: `peer ${url.port}`, url: `ws://${url.host}`, pid: pid ?? (await listenerAt(url)) };
}

async function listenerAt(url: URL): Promise<number> {
  const listeners = await run('ss', '-Hltnp', `sport = :${url.port}`);
  const pid = Number(/pid=(\d+)/.exec(listeners)?.[1]);
  if (!pid) {
    throw new Error(
      `nothing on this machine listens on port ${url.port}: the CPU of a peer must be measured here`,
    );
  }
  return topOfProgram(pid);
}

/** The oldest ancestor that runs the same program, such as a supervisor. */
function topOfProgram(pid: number): number {
  const parent = Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0);
  return parent > 1 && programOf(parent) === programOf(pid) ? topOfProgram(parent) : pid;
}

function programOf(pid: number): string {
  return readlinkSync(`/proc/${pid}/exe`);
}
