import { WebSocketGateway } from '@nestjs/websockets';
import type { OnGatewayConnection } from '@nestjs/websockets';
import type { IncomingMessage } from 'node:http';
import type { WebSocket } from 'ws';
import type { ClientConnection } from '../http/client-connection.js';
import type { UpgradeGatewayOptions } from '../http/upgrade-ws-adapter.js';
import { CaptureSessions } from './capture-sessions.js';
import { hasContainerHeader } from './request/capture-request.js';
import { WebsocketClient } from './websocket-client.js';

/** Messages from clients are ignored; ws closes with 1009 when one is longer. */
const MAX_MESSAGE_BYTES = 1024;

/** After this time the connection of a client that does not answer a close is cut. */
const CLOSE_TIMEOUT_MS = 5_000;

/** `/capture` by websocket. The GhostWire page uses the alias when it is opened under `/discover/`. */
@WebSocketGateway<UpgradeGatewayOptions>({
  path: '/capture',
  aliases: ['/discover/capture'],
  maxPayload: MAX_MESSAGE_BYTES,
  closeTimeout: CLOSE_TIMEOUT_MS,
  handleProtocols: () => false,
})
export class CaptureGateway implements OnGatewayConnection {
  constructor(private readonly sessions: CaptureSessions) {}

  /** Nest does not catch what this throws: it would end the process. */
  handleConnection(socket: WebSocket, request: IncomingMessage, connection: ClientConnection): void {
    this.sessions.begin(new WebsocketClient(socket, connection, hasContainerHeader(request)), request);
  }
}
