import { Injectable, Logger, type OnModuleDestroy } from '@nestjs/common';
import type { IncomingMessage } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { CaptureConfig } from '../config/capture.config.js';
import { ClientIdentity } from '../http/client-identity.js';
import type { CaptureClient } from './capture-client.js';
import { CaptureMetrics } from './capture-metrics.js';
import { CaptureOpener } from './capture-opener.js';
import { CaptureSession, type SessionServices } from './capture-session.js';
import { CaptureSlots } from './capture-slots.js';
import { ClientLiveness } from './liveness/client-liveness.js';

/** Time for captures to send the rest of their streams at shutdown. */
const DRAIN_TIMEOUT_MS = 1_500;
/** Time for clients to answer the close at shutdown. The sum is less than the supervisor allows the server. */
const CLOSE_ANSWER_TIMEOUT_MS = 500;

/** All captures of this process, websockets and downloads. */
@Injectable()
export class CaptureSessions implements OnModuleDestroy {
  private readonly logger = new Logger('Capture');
  private readonly services: SessionServices;
  private readonly sessions = new Set<CaptureSession>();
  private shuttingDown = false;

  constructor(
    opener: CaptureOpener,
    slots: CaptureSlots,
    metrics: CaptureMetrics,
    private readonly liveness: ClientLiveness,
    maxima: CaptureConfig,
    identity: ClientIdentity,
  ) {
    this.services = { opener, slots, maxima, metrics, logger: this.logger, identity };
  }

  /** Serves a client until its connection ends; does not throw. */
  begin(client: CaptureClient, request: IncomingMessage): void {
    try {
      const session = new CaptureSession(client, request, this.services);
      this.liveness.watch(client, () => session.clientDisappeared());
      this.sessions.add(session);
      void session.closed.then(() => this.sessions.delete(session));
      if (this.shuttingDown) session.shutDown();
      void session.run();
    } catch (error) {
      this.logger.error(error);
      client.terminate();
    }
  }

  /** The sessions whose captures run, oldest first. */
  get running(): CaptureSession[] {
    return [...this.sessions].filter(({ running }) => running !== undefined);
  }

  /** Ends all captures before Nest cuts the connections. */
  async onModuleDestroy(): Promise<void> {
    this.shuttingDown = true;
    for (const session of this.sessions) session.shutDown();
    await this.allClosedWithin(DRAIN_TIMEOUT_MS);
    for (const session of this.sessions) session.closeNow();
    await this.allClosedWithin(CLOSE_ANSWER_TIMEOUT_MS);
    for (const session of this.sessions) session.terminate();
  }

  private async allClosedWithin(timeMs: number): Promise<void> {
    const allClosed = Promise.all([...this.sessions].map((session) => session.closed));
    await Promise.race([allClosed, delay(timeMs, undefined, { ref: false })]);
  }
}
