import { Logger } from '@nestjs/common';
import { ExpressAdapter } from '@nestjs/platform-express';
import { createServer } from 'node:http';
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import type { Server as TcpServer, ServerOpts } from 'node:net';
import type { ExaminedRequest, Refusal } from './browser-policy.js';
import { clientOf } from './client-address.js';
import { limitConnections } from './connection-limits.js';
import { listen } from './listen.js';

/** csharg sends long interface lists twice: 1,000 names are 61 kB each time. The default of Node.js is 16 KiB. */
const MAX_HEADER_BYTES = 256 * 1024;

/** TCP keep-alive detects clients that vanished without a word. */
const CONNECTION_OPTIONS: ServerOpts = { noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 };

/** For the headers of a request, from the connection or the end of the previous request; and the polling interval. */
const HEADERS_TIMEOUT_MS = 4_000;
const TIMEOUT_CHECK_MS = 500;

/** Enough for probes and metrics collectors. */
const DEFAULT_MAX_CONNECTIONS = 128;

export interface HttpAdapterOptions {
  /** Decides which requests are refused, on all servers of the application: `browserPolicy`. */
  readonly examine?: (request: ExaminedRequest) => Refusal | undefined;
  /** See `ConnectionLimits`; for the main server. */
  readonly maxConnections?: number;
}

/** One of the HTTP servers of the application. */
export interface ApplicationServer {
  readonly server: Server;
  /** @param host undefined: the loopback addresses */
  readonly listen: (port: number, host: string | undefined) => Promise<void>;
  /** Stops listening and ends every connection, including upgraded ones. */
  readonly destroy: () => void;
}

type RequestFilter = (request: IncomingMessage) => boolean;

/** What becomes of a request to a path that a gate guards: an answer at once, or it enters with another target. */
export type Passage =
  | { readonly answer: (response: ServerResponse) => void }
  | {
      readonly target: string;
      /** Gives the request that target; what is not meant for the application is removed. */
      readonly enter: () => void;
    };

/** Guards some paths; undefined: the request is for another path. Has no side effects: it may be asked twice. */
export type Gate = (request: IncomingMessage) => Passage | undefined;

/** @param target the target of the request, once it has passed the gate */
type UpgradeFilter = (request: IncomingMessage, target: string) => boolean;

/** Express with HTTP servers whose options Nest cannot set, because only the constructor of a server takes them. */
export class HttpAdapter extends ExpressAdapter {
  private readonly log = new Logger('Http');
  private main?: ApplicationServer;
  private shouldUpgrade: UpgradeFilter = () => false;
  private gate: Gate = () => undefined;

  constructor(private readonly serverOptions: HttpAdapterOptions = {}) {
    super();
  }

  /**
   * Sets which requests with an `Upgrade` header are emitted as `upgrade`; all others are ordinary requests.
   *
   * @see https://nodejs.org/api/http.html#httpcreateserveroptions-requestlistener
   */
  setShouldUpgrade(decide: UpgradeFilter): void {
    this.shouldUpgrade = decide;
  }

  /** Sets the gate of the main server, before the upgrade and before every route and middleware of the application. */
  setGate(gate: Gate): void {
    this.gate = gate;
  }

  override initHttpServer(): void {
    const { maxConnections } = this.serverOptions;
    this.main = this.createServer({
      shouldUpgrade: (request, target) => this.shouldUpgrade(request, target),
      gate: (request) => this.gate(request),
      ...(maxConnections !== undefined && { maxConnections }),
    });
    this.disable('x-powered-by');
    this.setHttpServer(this.main.server);
  }

  /** Without a host, listens on the loopback addresses. Nest's own method would listen on all addresses. */
  override listen(port: string | number, ...args: readonly unknown[]): Server {
    const { server, listen } = this.main!;
    const host = args.find((arg) => typeof arg === 'string');
    const callback = args.at(-1) as (error?: unknown) => void;
    listen(Number(port), host).then(() => callback(), callback);
    return server;
  }

  /**
   * Creates another server for the same Express application.
   *
   * @param accepts requests that are handled; the others are answered with 404
   * @param maxConnections see `ConnectionLimits`
   */
  createServer({
    shouldUpgrade = () => false,
    accepts = () => true,
    gate = () => undefined,
    maxConnections = DEFAULT_MAX_CONNECTIONS,
  }: {
    readonly shouldUpgrade?: UpgradeFilter;
    readonly gate?: Gate;
    readonly accepts?: RequestFilter;
    readonly maxConnections?: number;
  }): ApplicationServer {
    const { examine = () => undefined } = this.serverOptions;
    // Nobody would catch an exception, and it would end the process.
    const ask: Gate = (request) => {
      try {
        return gate(request);
      } catch (error) {
        this.log.error(error);
        return { answer: (response) => void response.writeHead(500, { Connection: 'close' }).end() };
      }
    };
    const server = createServer(
      {
        maxHeaderSize: MAX_HEADER_BYTES,
        ...CONNECTION_OPTIONS,
        headersTimeout: HEADERS_TIMEOUT_MS,
        connectionsCheckingInterval: TIMEOUT_CHECK_MS,
        // Bodies must have a least rate instead: `limitConnections`.
        requestTimeout: 0,
        // Requests can only be refused as ordinary requests.
        shouldUpgradeCallback: (request) => {
          // It would have to wait until the responses before it have been sent.
          if (connections.isAnswering(request.socket)) return false;
          if (isAmbiguous(request) || examine(request) !== undefined) return false;
          const passage = ask(request);
          if (passage && 'answer' in passage) return false;
          return shouldUpgrade(request, passage?.target ?? request.url ?? '');
        },
      },
      (request, response) => {
        if (request.socket.destroyed) return; // by `limitConnections`: this request had arrived with others
        if (isAmbiguous(request)) return void response.writeHead(400, { Connection: 'close' }).end();
        const refusal = examine(request);
        if (refusal) return this.refuse(refusal, request, response);
        const passage = ask(request);
        if (passage && 'answer' in passage) return passage.answer(response);
        enter(passage);
        if (accepts(request)) this.getInstance<RequestListener>()(request, response);
        else answerNotFound(request, response);
      },
    );
    server.on('upgrade', (request) => enter(ask(request)));
    const connections = limitConnections(server, { maxConnections });
    let second: TcpServer | undefined;
    return {
      server,
      listen: async (port, host) => {
        second = await listen(server, port, host, CONNECTION_OPTIONS);
      },
      destroy: () => {
        second?.close();
        server.close();
        // `closeAllConnections` of Node.js does not include upgraded connections.
        connections.open.forEach((socket) => socket.destroy());
      },
    };
  }

  private refuse({ problem, remedy }: Refusal, request: IncomingMessage, response: ServerResponse): void {
    const { host, origin } = request.headers;
    const client = clientOf(request.socket);
    this.log.warn({ message: `refused a web page: ${problem} ${remedy}`, host, origin, client });
    const headers = {
      'Content-Type': 'text/plain',
      'X-Content-Type-Options': 'nosniff',
      Connection: 'close',
    };
    response.writeHead(403, headers).end(`${problem} ${remedy}\n`);
  }

  /** Ends every connection, including upgraded ones. */
  override close(): Promise<unknown> | undefined {
    this.main?.destroy();
    return super.close();
  }
}

function enter(passage: Passage | undefined): void {
  if (passage && 'enter' in passage) passage.enter();
}

/**
 * Whether a proxy in front of the service may understand the request differently, and so has to be refused:
 *
 * - Node.js uses the first `Host`, others the last; RFC 9112, section 3.2.
 * - HTTP/1.0 has no chunks: others may take the body for further requests; RFC 9112, section 6.1.
 */
function isAmbiguous({ headersDistinct, httpVersion }: IncomingMessage): boolean {
  const { host: hosts = [], 'transfer-encoding': encodings } = headersDistinct;
  return hosts.length > 1 || (httpVersion === '1.0' && encodings !== undefined);
}

/** The same body as that of Nest. */
function answerNotFound({ method, url }: IncomingMessage, response: ServerResponse): void {
  const body = { message: `Cannot ${method} ${url}`, error: 'Not Found', statusCode: 404 };
  response.writeHead(404, { 'Content-Type': 'application/json; charset=utf-8' }).end(JSON.stringify(body));
}
