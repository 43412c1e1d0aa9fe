import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { Socket } from 'node:net';
import { Counter, Gauge, Histogram } from 'prom-client';
import { ServiceMetrics } from '../operations/service-metrics.js';
import { ClientStalls } from './client-stalls.js';
import { ENDS, REFUSALS, type Closing } from './close-codes.js';

/** What counts of a session here. */
export interface ObservedSession {
  readonly socket: Socket;
  /** Of the stream, so far. */
  readonly bytesSent: number;
  /** Whether its capture runs; before that it is being opened. */
  readonly isCapturing: boolean;
  readonly closed: Promise<void>;
}

/** The client left before its capture began. */
const GIVEN_UP = ['client-left', 1000] as const;

const LOOKUP_BUCKETS_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20];
const OPEN_BUCKETS_SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20];

/** Captures and their clients as the server sees them, whoever provides the packets. */
@Injectable()
export class CaptureMetrics implements OnModuleInit {
  private readonly sessions = new Set<ObservedSession>();
  private readonly stalls = new ClientStalls();
  private bytesOfClosed = 0;
  private readonly common;
  private readonly started;
  private readonly refused;
  private readonly ended;
  private readonly openSeconds;
  private readonly lookupSeconds;

  constructor(private readonly metrics: ServiceMetrics) {
    this.common = { registers: [metrics.registry] };
    this.started = new Counter({
      name: 'packetflix_captures_started_total',
      help: 'Captures that began',
      ...this.common,
    });
    this.refused = new Counter({
      name: 'packetflix_captures_refused_total',
      help: 'Requests for a capture that did not begin, by cause and close code',
      labelNames: ['cause', 'code'],
      ...this.common,
    });
    this.ended = new Counter({
      name: 'packetflix_captures_ended_total',
      help: 'Captures that ended after they had begun, by cause and close code',
      labelNames: ['cause', 'code'],
      ...this.common,
    });
    this.openSeconds = new Histogram({
      name: 'packetflix_capture_open_seconds',
      help: 'From the request to the capture that runs',
      buckets: OPEN_BUCKETS_SECONDS,
      ...this.common,
    });
    this.lookupSeconds = new Histogram({
      name: 'packetflix_lookup_seconds',
      help: 'How long a directory took to look a name up',
      labelNames: ['outcome'],
      buckets: LOOKUP_BUCKETS_SECONDS,
      ...this.common,
    });
    // A series that is there from the first shows its first event as an increase.
    for (const [cause, code] of [...REFUSALS, GIVEN_UP]) this.refused.inc({ cause, code }, 0);
    for (const [cause, code] of ENDS) this.ended.inc({ cause, code }, 0);
    for (const outcome of ['found', 'not-found', 'failed']) this.lookupSeconds.zero({ outcome });
  }

  /** What is looked up when somebody asks. */
  onModuleInit(): void {
    const { common } = this;
    const active = new Gauge({ name: 'packetflix_captures_active', help: 'Captures that run', ...common });
    const opening = new Gauge({
      name: 'packetflix_captures_opening',
      help: 'Requests for a capture that are being served, and have not begun yet',
      ...common,
    });
    const bytes = new Counter({
      name: 'packetflix_stream_bytes_total',
      help: 'Bytes of pcapng sent to clients, running captures included',
      ...common,
    });
    const stalled = new Gauge({
      name: 'packetflix_clients_stalled',
      help: 'Clients that have not taken a piece of their stream, 256 KiB at most, for a second or more',
      ...common,
    });
    const stalls = new Counter({
      name: 'packetflix_client_stalls_total',
      help: 'How often a client began to stall',
      ...common,
    });
    const stalledSeconds = new Counter({
      name: 'packetflix_client_stalled_seconds_total',
      help: 'How long clients stalled, summed up',
      ...common,
    });
    this.metrics.beforeTelling(() => {
      for (const counter of [bytes, stalls, stalledSeconds]) counter.reset();
      const capturing = [...this.sessions].filter(({ isCapturing }) => isCapturing);
      active.set(capturing.length);
      opening.set(this.sessions.size - capturing.length);
      bytes.inc(capturing.reduce((sum, { bytesSent }) => sum + bytesSent, this.bytesOfClosed));
      stalled.set(this.stalls.now);
      stalls.inc(this.stalls.count);
      stalledSeconds.inc(this.stalls.seconds);
    });
  }

  /** From now on until it is closed. */
  watch(session: ObservedSession): void {
    this.sessions.add(session);
    const unwatchStalls = this.stalls.watch(session.socket);
    void session.closed.then(() => {
      this.sessions.delete(session);
      this.bytesOfClosed += session.bytesSent;
      unwatchStalls();
    });
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

  /** Passes on what a look-up gives, and takes its time. Those that nobody waits for any more do not count. */
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
