import { Logger } from '@nestjs/common';
import type { INestApplication } from '@nestjs/common';
import { WsAdapter } from '@nestjs/platform-ws';
import type { MessageMappingProperties } from '@nestjs/websockets';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Observable } from 'rxjs';
import { WebSocketServer } from 'ws';
import type { ServerOptions, WebSocket } from 'ws';
import { ServiceHttpAdapter } from './service-http-adapter.js';
import { UpgradeRoutes } from './upgrade-routes.js';

/** What a gateway may say in `@WebSocketGateway<UpgradeGatewayOptions>({ ... })`. */
export interface UpgradeGatewayOptions extends ServerOptions {
  readonly path: string;
  /** Further paths that lead to the same gateway. */
  readonly aliases?: readonly string[];
  /** How long the peer may take to answer a close of ours before its connection is cut; ws has it, its types do not. */
  readonly closeTimeout?: number;
}

/** For gateways that do not say otherwise; the default of ws is 100 MiB. */
const DEFAULT_MAX_PAYLOAD_BYTES = 64 * 1024;

/**
 * What may wait for a client and its pings still be answered. Answers to one who asks and asks but never reads would
 * queue up without end; RFC 6455, 5.5.3, wants only the last of several pings answered.
 */
const MAX_WAITING_BYTES = 512 * 1024;

/**
 * Nest's websocket gateways on the one `upgrade` listener of this service. Nest's own WsAdapter destroys
 * every upgrade that it does not know, which leaves no room for a proxy or for an answer like 426.
 */
export class UpgradeWsAdapter extends WsAdapter {
  private readonly log = new Logger('Websocket');
  private readonly routes: UpgradeRoutes;

  constructor(app: INestApplication) {
    super(app);
    const http: unknown = app.getHttpAdapter();
    if (!(http instanceof ServiceHttpAdapter)) throw new Error('UpgradeWsAdapter needs ServiceHttpAdapter');
    this.routes = app.get(UpgradeRoutes, { strict: false });
    http.setShouldUpgrade(
      (request) => isWebsocket(request) && this.routes.find(request.url ?? '') !== undefined,
    );
    http.getHttpServer().on('upgrade', this.onUpgrade);
  }

  override create(
    port: number,
    options: Partial<UpgradeGatewayOptions> & { namespace?: string } = {},
  ): unknown {
    // A gateway with a port of its own has no business with our server.
    if (port !== 0) return super.create(port, options) as unknown;
    const { path = '/', aliases = [], namespace, ...serverOptions } = options;
    if (namespace !== undefined) throw new Error('Websocket gateways have no namespaces here, only paths');

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
        if (client.readyState === client.OPEN && client.bufferedAmount < MAX_WAITING_BYTES) client.pong(data);
      });
    });
    for (const route of [path, ...aliases]) {
      this.routes.exact(route, (request, socket, head) =>
        server.handleUpgrade(request, socket, head, (client) => server.emit('connection', client, request)),
      );
    }
    return server;
  }

  /** Gateways without message handlers ignore what clients send: then do not even parse it. */
  override bindMessageHandlers(
    client: WebSocket,
    handlers: MessageMappingProperties[],
    transform: (data: unknown) => Observable<unknown>,
  ): void {
    if (handlers.length > 0) super.bindMessageHandlers(client, handlers, transform);
  }

  override async dispose(): Promise<void> {
    (this.httpServer as NodeJS.EventEmitter).off('upgrade', this.onUpgrade);
    await super.dispose();
  }

  private readonly onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    // First of all, and for good: a reset while a handler is busy elsewhere would end the process.
    socket.on('error', (error) => this.log.debug(`connection: ${error.message}`));
    const handler = this.routes.find(request.url ?? '');
    try {
      if (handler) handler(request, socket, head);
      else socket.destroy();
    } catch (error) {
      this.log.error(error);
      socket.destroy();
    }
  };
}

/** Other protocols, `h2c` for one, are offers that a server may ignore, and those in HTTP/1.0 it must; RFC 9110, 7.8. */
function isWebsocket({ method, httpVersion, headers }: IncomingMessage): boolean {
  return method === 'GET' && httpVersion !== '1.0' && headers.upgrade?.toLowerCase() === 'websocket';
}
