import { ExpressAdapter } from '@nestjs/platform-express';
import { createServer } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';

/** Interface lists are long, and csharg sends them twice: 1,000 names are 61 kB each time. Node's default is 16 KiB. */
const MAX_HEADER_BYTES = 256 * 1024;

/** Tells idle clients from vanished ones; Node has TCP keep-alive off unless told. */
const KEEP_ALIVE_DELAY_MS = 30_000;

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
        shouldUpgradeCallback: (request) => this.shouldUpgrade(request),
      },
      this.getInstance<(request: IncomingMessage, response: object) => void>(),
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
