import { Logger } from '@nestjs/common';
import type { OnModuleDestroy } from '@nestjs/common';
import { WebSocketGateway } from '@nestjs/websockets';
import type { OnGatewayConnection } from '@nestjs/websockets';
import type { IncomingMessage } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { WebSocket } from 'ws';
import { CaptureConfig } from '../config/capture.config.js';
import type { UpgradeGatewayOptions } from '../http/upgrade-ws-adapter.js';
import { CaptureMetrics } from './capture-metrics.js';
import { CaptureOpener } from './capture-opener.js';
import { CaptureSession, type SessionServices } from './capture-session.js';
import { CaptureSlots } from './capture-slots.js';
import { ClientLiveness } from './liveness/client-liveness.js';
import type { ClientConnection } from '../http/client-connection.js';
import { ClientIdentity } from '../http/client-identity.js';

/** Messages from clients are ignored; ws closes with 1009 when one is longer. */
const MAX_MESSAGE_BYTES = 1024;

/** After this time the connection of a client that does not answer a close is cut. */
const CLOSE_TIMEOUT_MS = 5_000;

/** Time for captures to send the rest of their streams at shutdown. */
const DRAIN_TIMEOUT_MS = 1_500;
/** Time for clients to answer the close at shutdown. The sum is less than the supervisor allows the server. */
const CLOSE_ANSWER_TIMEOUT_MS = 500;

/** `/capture` by websocket. The GhostWire page uses the alias when it is opened under `/discover/`. */
@WebSocketGateway<UpgradeGatewayOptions>({
  path: '/capture',
  aliases: ['/discover/capture'],
  maxPayload: MAX_MESSAGE_BYTES,
  closeTimeout: CLOSE_TIMEOUT_MS,
  handleProtocols: () => false,
})
export class CaptureGateway implements OnGatewayConnection, OnModuleDestroy {
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

  /** Nest does not catch what this throws: it would end the process. */
  handleConnection(client: WebSocket, request: IncomingMessage, connection: ClientConnection): void {
    try {
      const session = new CaptureSession(client, request, connection, this.services);
      this.liveness.watch(client, connection, () => session.clientDisappeared());
      this.sessions.add(session);
      void session.closed.then(() => this.sessions.delete(session));
      if (this.shuttingDown) session.shutDown();
      void session.run();
    } catch (error) {
      this.logger.error(error);
      client.terminate();
    }
  }

  /** Ends all captures before Nest cuts the websockets. */
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
