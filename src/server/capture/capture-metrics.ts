import { Injectable } from '@nestjs/common';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { ClientConnection } from '../http/client-connection.js';
import { ServiceMetrics } from '../operations/service-metrics.js';
import { ClientStalls } from './client-stalls.js';
import { ENDS, REFUSALS, type Closing } from './close-codes.js';

/** What is measured of a session. */
export interface ObservedSession {
  readonly connection: ClientConnection;
  /** Bytes of the stream that were sent so far. */
  readonly bytesSent: number;
  /** Whether its capture runs; before that it is being opened. */
  readonly isCapturing: boolean;
  readonly closed: Promise<void>;
}

/** The client left before its capture began. */
const CLIENT_LEFT = ['client-left', 1000] as const;

const LOOKUP_BUCKETS_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20];
const OPEN_BUCKETS_SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20];

/** Captures and their clients from the server's point of view, with any capture provider. */
@Injectable()
export class CaptureMetrics {
  private readonly sessions = new Set<ObservedSession>();
  private readonly stalls = new ClientStalls();
  private bytesOfClosed = 0;
  private readonly started;
  private readonly refused;
  private readonly ended;
  private readonly openSeconds;
  private readonly lookupSeconds;

  constructor({ registry }: ServiceMetrics) {
    const registers = [registry];
    this.started = new Counter({
      name: 'packetflix_captures_started_total',
      help: 'Captures that began',
      registers,
    });
    this.refused = new Counter({
      name: 'packetflix_captures_refused_total',
      help: 'Requests for a capture that did not begin, by cause and close code',
      labelNames: ['cause', 'code'],
      registers,
    });
    this.ended = new Counter({
      name: 'packetflix_captures_ended_total',
      help: 'Captures that ended after they had begun, by cause and close code',
      labelNames: ['cause', 'code'],
      registers,
    });
    this.openSeconds = new Histogram({
      name: 'packetflix_capture_open_seconds',
      help: 'Time from the request until the capture runs',
      buckets: OPEN_BUCKETS_SECONDS,
      registers,
    });
    this.lookupSeconds = new Histogram({
      name: 'packetflix_lookup_seconds',
      help: 'Time that a directory took to look a name up',
      labelNames: ['outcome'],
      buckets: LOOKUP_BUCKETS_SECONDS,
      registers,
    });
    // A series must exist before its first event, or Prometheus does not see an increase.
    for (const [cause, code] of [...REFUSALS, CLIENT_LEFT]) this.refused.inc({ cause, code }, 0);
    for (const [cause, code] of ENDS) this.ended.inc({ cause, code }, 0);
    for (const outcome of ['found', 'not-found', 'failed']) this.lookupSeconds.zero({ outcome });
    this.addCollected(registry);
  }

  /** Metrics whose values are determined when they are collected. */
  private addCollected(registry: Registry): void {
    const add = (
      Metric: typeof Counter | typeof Gauge,
      name: string,
      help: string,
      value: () => number,
    ): void => {
      new Metric({
        name: `packetflix_${name}`,
        help,
        registers: [registry],
        collect(this: Counter | Gauge) {
          this.reset();
          this.inc(value());
        },
      });
    };
    const capturing = (): number => [...this.sessions].filter(({ isCapturing }) => isCapturing).length;
    const { stalls } = this;
    add(Gauge, 'captures_active', 'Captures that run', capturing);
    add(
      Gauge,
      'captures_opening',
      'Requests for a capture that is being opened',
      () => this.sessions.size - capturing(),
    );
    add(
      Counter,
      'stream_bytes_total',
      'Bytes of pcapng sent to clients, including running captures as of at most a second ago',
      () => [...this.sessions].reduce((sum, { bytesSent }) => sum + bytesSent, this.bytesOfClosed),
    );
    add(
      Gauge,
      'clients_stalled',
      'Clients that have accepted nothing of their stream for a second or more',
      () => stalls.now,
    );
    add(Counter, 'client_stalls_total', 'Times that a client began to stall', () => stalls.count);
    add(
      Counter,
      'client_stalled_seconds_total',
      'Sum of the time that clients stalled',
      () => stalls.seconds,
    );
  }

  /** Includes a session in the metrics until it is closed. */
  watch(session: ObservedSession): void {
    this.sessions.add(session);
    const unwatchStalls = this.stalls.watch(session.connection);
    void session.closed.then(() => {
      this.sessions.delete(session);
      this.bytesOfClosed += session.bytesSent;
      unwatchStalls();
    });
  }

  /** Whether the client of a session has accepted nothing of its stream for a second or more. */
  isStalled({ connection }: ObservedSession): boolean {
    return this.stalls.isStalled(connection);
  }

  captureStarted(openedAfterMs: number): void {
    this.started.inc();
    this.openSeconds.observe(openedAfterMs / 1000);
  }

  captureRefused({ cause, code }: Closing): void {
    this.refused.inc({ cause, code });
  }

  captureEnded({ cause, code }: Closing): void {
    this.ended.inc({ cause, code });
  }

  /** Measures a look-up and returns its result. Look-ups whose signal is aborted are not measured. */
  async timeLookup<Found>(lookup: Promise<Found[]>, signal: AbortSignal): Promise<Found[]> {
    const begunAtMs = performance.now();
    const observe = (outcome: string): void => {
      if (!signal.aborted) this.lookupSeconds.observe({ outcome }, (performance.now() - begunAtMs) / 1000);
    };
    try {
      const found = await lookup;
      observe(found.length > 0 ? 'found' : 'not-found');
      return found;
    } catch (error) {
      observe('failed');
      throw error;
    }
  }
}
