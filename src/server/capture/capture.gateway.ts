import { Logger } from '@nestjs/common';
import type { OnModuleDestroy } from '@nestjs/common';
import { WebSocketGateway } from '@nestjs/websockets';
import type { OnGatewayConnection, OnGatewayInit } from '@nestjs/websockets';
import type { IncomingMessage } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { WebSocket, WebSocketServer } from 'ws';
import { ServiceConfig } from '../config/service.config.js';
import type { UpgradeGatewayOptions } from '../http/upgrade-ws-adapter.js';
import { CaptureMetrics } from './capture-metrics.js';
import { CaptureOpener } from './capture-opener.js';
import { CaptureSession, type SessionServices } from './capture-session.js';
import { CaptureSlots } from './request/capture-slots.js';
import { Heartbeat } from './liveness/heartbeat.js';
import { originPolicy } from '../http/browser-policy.js';
import { clientOf } from '../http/client-address.js';

/** Clients have nothing to say after their request; ws ends longer messages with 1009. */
const MAX_MESSAGE_BYTES = 1024;

/** A client that has not answered our close by then is cut off. */
const CLOSE_TIMEOUT_MS = 5_000;

/**
 * How long captures may take at shutdown to deliver what they have, and then their clients to answer the close.
 * Together less than the supervisor grants the server.
 */
const DRAIN_MS = 1_500;
const FAREWELL_MS = 500;

/** For whoever looks into the developer tools of a browser to see why nothing comes. */
const FOREIGN_ORIGIN =
  'Web pages from elsewhere may not capture. Allow the origin of this one with --allowed-origin.\n';

/** `/capture` by websocket. The alias is where the GhostWire page looks when it is opened under `/discover/`. */
@WebSocketGateway<UpgradeGatewayOptions>({
  path: '/capture',
  aliases: ['/discover/capture'],
  maxPayload: MAX_MESSAGE_BYTES,
  closeTimeout: CLOSE_TIMEOUT_MS,
  handleProtocols: () => false,
})
export class CaptureGateway implements OnGatewayInit, OnGatewayConnection, OnModuleDestroy {
  private readonly logger = new Logger('Capture');
  private readonly services: SessionServices;
  private readonly sessions = new Set<CaptureSession>();
  private shuttingDown = false;

  constructor(
    opener: CaptureOpener,
    slots: CaptureSlots,
    metrics: CaptureMetrics,
    private readonly heartbeat: Heartbeat,
    private readonly config: ServiceConfig,
  ) {
    this.services = { opener, slots, metrics, logger: this.logger };
  }

  /** Decorators know no configuration, but ws looks its options up for every request. */
  afterInit({ options }: WebSocketServer): void {
    const mayCapture = originPolicy(this.config.allowedOrigins);
    options.verifyClient = ({ req }, answer) => {
      if (mayCapture(req)) return answer(true);
      this.logger.warn({
        message: 'a web page from elsewhere was refused: see --allowed-origin',
        origin: req.headers.origin,
        client: clientOf(req.socket),
      });
      answer(false, 403, FOREIGN_ORIGIN, { 'Content-Type': 'text/plain' });
    };
  }

  /** Nest calls this bare: what escaped from here, thrown or rejected, would end the process. */
  handleConnection(client: WebSocket, request: IncomingMessage): void {
    try {
      const session = new CaptureSession(client, request, this.services);
      this.heartbeat.watch(client, request.socket, () => session.clientIsGone());
      this.sessions.add(session);
      void session.closed.then(() => this.sessions.delete(session));
      if (this.shuttingDown) session.shutDown();
      void session.run();
    } catch (error) {
      this.logger.error(error);
      client.terminate();
    }
  }

  /** Ends all captures in good order, before Nest cuts the websockets. */
  async onModuleDestroy(): Promise<void> {
    this.shuttingDown = true;
    for (const session of this.sessions) session.shutDown();
    await this.allClosedWithin(DRAIN_MS);
    for (const session of this.sessions) session.closeNow();
    await this.allClosedWithin(FAREWELL_MS);
    for (const session of this.sessions) session.terminate();
  }

  private async allClosedWithin(timeMs: number): Promise<void> {
    const allClosed = Promise.all([...this.sessions].map((session) => session.closed));
    await Promise.race([allClosed, delay(timeMs, undefined, { ref: false })]);
  }
}
