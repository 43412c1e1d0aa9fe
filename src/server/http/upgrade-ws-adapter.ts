import { Logger } from '@nestjs/common';
import type { INestApplication } from '@nestjs/common';
import { WsAdapter } from '@nestjs/platform-ws';
import type { MessageMappingProperties } from '@nestjs/websockets';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Observable } from 'rxjs';
import { WebSocketServer } from 'ws';
import type { ServerOptions, WebSocket } from 'ws';
import { ClientConnection } from './client-connection.js';
import { HttpAdapter } from './http-adapter.js';
import { UpgradeRoutes } from './upgrade-routes.js';

/** The options of `@WebSocketGateway<UpgradeGatewayOptions>({ ... })`. */
export interface UpgradeGatewayOptions extends ServerOptions {
  readonly path: string;
  /** Further paths that lead to the same gateway. */
  readonly aliases?: readonly string[];
  /** Time in ms that the peer may take to answer a close frame; an option of ws that is missing in its types. */
  readonly closeTimeout?: number;
}

/** Default for all gateways; that of ws is 100 MiB. */
const DEFAULT_MAX_PAYLOAD_BYTES = 64 * 1024;

/**
 * If more bytes than this are buffered for a client, its pings are not answered: a client that sends pings and never
 * reads would let the buffer grow without limit. RFC 6455, section 5.5.3, requires an answer to the last ping only.
 */
const MAX_BUFFERED_BYTES = 64 * 1024;

/**
 * Runs Nest's websocket gateways on the one `upgrade` listener of this service. Nest's own WsAdapter destroys the
 * socket of every upgrade that it does not know, which would exclude a proxy and answers such as 426.
 */
export class UpgradeWsAdapter extends WsAdapter {
  private readonly log = new Logger('Websocket');
  private readonly routes: UpgradeRoutes;

  constructor(app: INestApplication) {
    super(app);
    const http: unknown = app.getHttpAdapter();
    if (!(http instanceof HttpAdapter)) throw new Error('UpgradeWsAdapter requires HttpAdapter');
    this.routes = app.get(UpgradeRoutes, { strict: false });
    http.setUpgrades({
      accepts: (request, target) => isWebsocket(request) && this.routes.find(target) !== undefined,
      handle: (request, socket, head) => this.onUpgrade(request, socket, head),
    });
  }

  override create(
    port: number,
    options: Partial<UpgradeGatewayOptions> & { namespace?: string } = {},
  ): unknown {
    // A gateway with its own port does not use the server of this service.
    if (port !== 0) return super.create(port, options) as unknown;
    const { path = '/', aliases = [], namespace, ...serverOptions } = options;
    if (namespace !== undefined) throw new Error('websocket gateways have paths here, not namespaces');

    const server = new WebSocketServer({
      maxPayload: DEFAULT_MAX_PAYLOAD_BYTES,
      ...serverOptions,
      perMessageDeflate: serverOptions.perMessageDeflate ?? false,
      autoPong: false,
      noServer: true,
    });
    server.on('connection', (client) => {
      client.on('error', (error) => this.log.debug(`client: ${error.message}`));
      client.on('ping', (data) => {
        if (client.readyState === client.OPEN && client.bufferedAmount < MAX_BUFFERED_BYTES)
          client.pong(data);
      });
    });
    for (const route of [path, ...aliases]) {
      this.routes.exact(route, (request, socket, head) => {
        const connection = new ClientConnection(socket as Socket);
        server.handleUpgrade(request, connection, head, (client) =>
          server.emit('connection', client, request, connection),
        );
      });
    }
    return server;
  }

  /** Gateways without message handlers ignore messages of clients, so these are not parsed either. */
  override bindMessageHandlers(
    client: WebSocket,
    handlers: MessageMappingProperties[],
    transform: (data: unknown) => Observable<unknown>,
  ): void {
    if (handlers.length > 0) super.bindMessageHandlers(client, handlers, transform);
  }

  private onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const handler = this.routes.find(request.url ?? '');
    try {
      if (handler) handler(request, socket, head);
      else socket.destroy();
    } catch (error) {
      this.log.error(error);
      socket.destroy();
    }
  }
}

/** A server may ignore offers of other protocols, such as `h2c`, and must ignore those in HTTP/1.0; RFC 9110, 7.8. */
function isWebsocket({ method, httpVersion, headers }: IncomingMessage): boolean {
  return method === 'GET' && httpVersion !== '1.0' && headers.upgrade?.toLowerCase() === 'websocket';
}
