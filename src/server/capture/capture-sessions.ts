import { Injectable, Logger, type OnModuleDestroy } from '@nestjs/common';
import type { IncomingMessage } from 'node:http';
import { CaptureConfig } from '../config/capture.config.js';
import { ClientIdentity } from '../http/client-identity.js';
import type { CaptureClient } from './capture-client.js';
import { CaptureMetrics } from './capture-metrics.js';
import { CaptureOpener } from './capture-opener.js';
import { CaptureSession, type RunningCapture, type SessionServices } from './capture-session.js';
import { CaptureSlots } from './capture-slots.js';
import { ClientLiveness } from './liveness/client-liveness.js';

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
      if (this.shuttingDown) void session.shutDown();
      void session.run();
    } catch (error) {
      this.logger.error(error);
      client.terminate();
    }
  }

  /** Those whose captures run, oldest first. */
  get running(): { readonly session: CaptureSession; readonly running: RunningCapture }[] {
    return [...this.sessions].flatMap((session) => {
      const { running } = session;
      return running ? { session, running } : [];
    });
  }

  /** Ends all captures before Nest cuts the connections. */
  async onModuleDestroy(): Promise<void> {
    this.shuttingDown = true;
    await Promise.all([...this.sessions].map((session) => session.shutDown()));
  }
}
