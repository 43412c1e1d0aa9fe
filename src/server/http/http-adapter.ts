import { ExpressAdapter } from '@nestjs/platform-express';
import { createServer } from 'node:http';
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** csharg sends long interface lists twice: 1,000 names are 61 kB each time. The default of Node.js is 16 KiB. */
const MAX_HEADER_BYTES = 256 * 1024;

/** Detects clients that vanished without a word; Node.js leaves TCP keep-alive off by default. */
const KEEP_ALIVE_DELAY_MS = 30_000;

/** For the headers of a request, from the connection or the end of the previous request; and the polling interval. */
const HEADERS_TIMEOUT_MS = 4_000;
const TIMEOUT_CHECK_MS = 500;

/** For a whole request with its body, which only proxied requests have. The time of the answer does not count. */
const REQUEST_TIMEOUT_MS = 120_000;

type RequestFilter = (request: IncomingMessage) => boolean;

/** Express with HTTP servers whose options Nest cannot set, because only the constructor of a server takes them. */
export class HttpAdapter extends ExpressAdapter {
  private closeServer: () => void = () => undefined;
  private shouldUpgrade: RequestFilter = () => false;

  /**
   * Sets which requests with an `Upgrade` header are emitted as `upgrade`; all others are ordinary requests.
   *
   * @see https://nodejs.org/api/http.html#httpcreateserveroptions-requestlistener
   */
  setShouldUpgrade(decide: RequestFilter): void {
    this.shouldUpgrade = decide;
  }

  override initHttpServer(): void {
    const { server, destroyConnections } = this.createServer({
      shouldUpgrade: (request) => this.shouldUpgrade(request),
    });
    this.closeServer = destroyConnections;
    this.disable('x-powered-by');
    this.setHttpServer(server);
  }

  /**
   * Creates another server for the same Express application.
   *
   * @param accepts requests that are handled; the others are answered with 404
   */
  createServer({
    shouldUpgrade = () => false,
    accepts = () => true,
  }: {
    readonly shouldUpgrade?: RequestFilter;
    readonly accepts?: RequestFilter;
  }): { readonly server: Server; readonly destroyConnections: () => void } {
    const server = createServer(
      {
        maxHeaderSize: MAX_HEADER_BYTES,
        keepAlive: true,
        keepAliveInitialDelay: KEEP_ALIVE_DELAY_MS,
        noDelay: true,
        headersTimeout: HEADERS_TIMEOUT_MS,
        connectionsCheckingInterval: TIMEOUT_CHECK_MS,
        requestTimeout: REQUEST_TIMEOUT_MS,
        // A request with several hosts must be refused, which is only possible as an ordinary request.
        shouldUpgradeCallback: (request) => !hasSeveralHosts(request) && shouldUpgrade(request),
      },
      (request, response) => {
        if (hasSeveralHosts(request)) response.writeHead(400, { Connection: 'close' }).end();
        else if (accepts(request)) this.getInstance<RequestListener>()(request, response);
        else answerNotFound(request, response);
      },
    );
    const sockets = new Set<Socket>();
    server.on('connection', (socket: Socket) => {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
    });
    // `closeAllConnections` of Node.js does not include upgraded connections.
    return { server, destroyConnections: () => sockets.forEach((socket) => socket.destroy()) };
  }

  /** Ends every connection, including upgraded ones. */
  override close(): Promise<unknown> | undefined {
    this.closeServer();
    return super.close();
  }
}

/**
 * Node.js uses the first `Host`, while a proxy in front of the service may use the last. Such requests must be refused:
 * RFC 9112, section 3.2.
 */
function hasSeveralHosts({ headersDistinct }: IncomingMessage): boolean {
  return (headersDistinct.host?.length ?? 0) > 1;
}

/** The same body as that of Nest. */
function answerNotFound({ method, url }: IncomingMessage, response: ServerResponse): void {
  const body = { message: `Cannot ${method} ${url}`, error: 'Not Found', statusCode: 404 };
  response.writeHead(404, { 'Content-Type': 'application/json; charset=utf-8' }).end(JSON.stringify(body));
}
