import { ExpressAdapter } from '@nestjs/platform-express';
import { createServer } from 'node:http';
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Interface lists are long, and csharg sends them twice: 1,000 names are 61 kB each time. Node's default is 16 KiB. */
const MAX_HEADER_BYTES = 256 * 1024;

/** Tells idle clients from vanished ones; Node has TCP keep-alive off unless told. */
const KEEP_ALIVE_DELAY_MS = 30_000;

/** For the headers of a request, from the connection or the end of the request before; how often that is looked after. */
const HEADERS_TIMEOUT_MS = 4_000;
const TIMEOUT_CHECK_MS = 500;

/** For a whole request with its body. Only proxied ones have any; how long answers take does not count. */
const REQUEST_TIMEOUT_MS = 120_000;

/** Express on an HTTP server with the options that only its constructor takes. */
export class ServiceHttpAdapter extends ExpressAdapter {
  private readonly sockets = new Set<Socket>();
  private shouldUpgrade: (request: IncomingMessage) => boolean = () => false;

  /**
   * Sets which requests with an `Upgrade` header are emitted as `upgrade`; all others are ordinary requests.
   *
   * @see https://nodejs.org/api/http.html#httpcreateserveroptions-requestlistener
   */
  setShouldUpgrade(decide: (request: IncomingMessage) => boolean): void {
    this.shouldUpgrade = decide;
  }

  override initHttpServer(): void {
    const server: Server = createServer(
      {
        maxHeaderSize: MAX_HEADER_BYTES,
        keepAlive: true,
        keepAliveInitialDelay: KEEP_ALIVE_DELAY_MS,
        noDelay: true,
        headersTimeout: HEADERS_TIMEOUT_MS,
        connectionsCheckingInterval: TIMEOUT_CHECK_MS,
        requestTimeout: REQUEST_TIMEOUT_MS,
        // What is ambiguous gets its answer as an ordinary request.
        shouldUpgradeCallback: (request) => !hasManyHosts(request) && this.shouldUpgrade(request),
      },
      (request, response) => {
        if (hasManyHosts(request)) refuse(response);
        else this.getInstance<RequestListener>()(request, response);
      },
    );
    server.on('connection', (socket: Socket) => {
      this.sockets.add(socket);
      socket.once('close', () => this.sockets.delete(socket));
    });
    this.disable('x-powered-by');
    this.setHttpServer(server);
  }

  /** Ends every connection, upgraded ones too: Node's own `closeAllConnections` knows nothing of those. */
  override close(): Promise<unknown> | undefined {
    for (const socket of this.sockets) socket.destroy();
    return super.close();
  }
}

/** Node takes the first, a proxy in front of us perhaps the last: RFC 9112, 3.2, wants such requests refused. */
function hasManyHosts({ headersDistinct }: IncomingMessage): boolean {
  return (headersDistinct.host?.length ?? 0) > 1;
}

function refuse(response: ServerResponse): void {
  response.writeHead(400, { Connection: 'close' }).end();
}
