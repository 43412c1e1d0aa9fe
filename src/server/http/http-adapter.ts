import { Logger } from '@nestjs/common';
import { ExpressAdapter } from '@nestjs/platform-express';
import { createServer, ServerResponse } from 'node:http';
import type { IncomingMessage, RequestListener, Server } from 'node:http';
import type { Server as TcpServer, ServerOpts, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { ExaminedRequest, Refusal } from './browser-policy.js';
import { clientOf } from './client-address.js';
import { limitConnections } from './connection-limits.js';
import type { HttpRefusal } from './http-refusal.js';
import { listen } from './listen.js';
import { onceClientLeaves } from './once-client-leaves.js';

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
  /** Whether the main server must not listen without a guard. */
  readonly mustBeGuarded?: boolean;
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

/** The websockets of a server. */
export interface Upgrades {
  /** @param target the target of the request, once it has passed the gate */
  readonly accepts: (request: IncomingMessage, target: string) => boolean;
  /** Takes over the socket. `head` holds bytes that arrived together with the request. */
  readonly handle: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
}

const NO_UPGRADES: Upgrades = { accepts: () => false, handle: (_, socket) => void socket.destroy() };

/**
 * Decides whether a request that did not come through the gate may enter; undefined: it may. Asked once for each request. Must
 * neither throw nor reject.
 */
export type Guard = (request: IncomingMessage) => HttpRefusal | undefined | Promise<HttpRefusal | undefined>;

/** The layers of Express's router; those of routes, as opposed to middleware, have a `route`. */
interface Layer {
  readonly route?: object;
  match(path: string): boolean;
}

/** Event of a server: a websocket request has been admitted. The arguments are those of `upgrade`. */
export const UPGRADE_ADMITTED = 'upgradeAdmitted';

/** Express with HTTP servers whose options Nest cannot set, because only the constructor of a server takes them. */
export class HttpAdapter extends ExpressAdapter {
  private readonly log = new Logger('Http');
  private main?: ApplicationServer;
  private upgrades = NO_UPGRADES;
  private gate: Gate = () => undefined;
  private guard?: Guard;

  constructor(private readonly serverOptions: HttpAdapterOptions = {}) {
    super();
  }

  /**
   * Sets which requests with an `Upgrade` header become websockets; all others are ordinary requests.
   *
   * @see https://nodejs.org/api/http.html#httpcreateserveroptions-requestlistener
   */
  setUpgrades(upgrades: Upgrades): void {
    this.upgrades = upgrades;
  }

  /** Sets the gate of the main server, before the upgrade and before every route and middleware of the application. */
  setGate(gate: Gate): void {
    this.gate = gate;
  }

  /** Sets the guard of the main server, which is asked where the gate is: but not about what comes through the gate. */
  setGuard(guard: Guard): void {
    this.guard = guard;
  }

  /** Whether a controller serves this path, with any method. */
  hasRoute(path: string): boolean {
    const { router } = this.getInstance<{ router: { stack: readonly Layer[] } }>();
    return router.stack.some((layer) => layer.route !== undefined && matches(layer, path));
  }

  override initHttpServer(): void {
    const { maxConnections } = this.serverOptions;
    this.main = this.createServer({
      upgrades: {
        accepts: (request, target) => this.upgrades.accepts(request, target),
        handle: (request, socket, head) => this.upgrades.handle(request, socket, head),
      },
      gate: (request) => this.gate(request),
      guard: (request) => this.guard?.(request),
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
    if (this.serverOptions.mustBeGuarded && !this.guard) {
      callback(
        new Error('--token-file and --authorize have no effect in an application without AccessModule'),
      );
      return server;
    }
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
    upgrades = NO_UPGRADES,
    accepts = () => true,
    gate = () => undefined,
    guard = () => undefined,
    maxConnections = DEFAULT_MAX_CONNECTIONS,
  }: {
    readonly upgrades?: Upgrades;
    readonly gate?: Gate;
    readonly guard?: Guard;
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
    // A request for a websocket that may have to be refused is asked about again later.
    const verdicts = new WeakMap<IncomingMessage, ReturnType<Guard>>();
    const verdictOn = (request: IncomingMessage): ReturnType<Guard> => {
      const verdict = verdicts.get(request) ?? guard(request);
      if (verdict) verdicts.set(request, verdict);
      return verdict;
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
          if (!upgrades.accepts(request, passage?.target ?? request.url ?? '')) return false;
          const verdict = passage ? undefined : verdictOn(request);
          return verdict === undefined || verdict instanceof Promise;
        },
      },
      (request, response) => {
        if (request.socket.destroyed) return; // by `limitConnections`: this request had arrived with others
        if (isAmbiguous(request)) return void response.writeHead(400, { Connection: 'close' }).end();
        const refusal = examine(request);
        if (refusal) return this.refuse(refusal, request, response);
        const passage = ask(request);
        if (passage && 'answer' in passage) return passage.answer(response);
        const serve = (verdict: HttpRefusal | undefined): void => {
          if (verdict) return refuseAccess(verdict, response);
          enter(passage);
          if (accepts(request)) this.getInstance<RequestListener>()(request, response);
          else answerNotFound(request, response);
        };
        const verdict = passage ? undefined : verdictOn(request);
        if (!(verdict instanceof Promise)) return serve(verdict);
        void verdict.then((later) => {
          if (!response.destroyed) serve(later);
        });
      },
    );
    server.on('upgrade', (request, socket, head) => {
      // Before anything else: an `error` event without a listener, for example after a reset, would end the process.
      socket.on('error', (error) => this.log.debug(`connection: ${error.message}`));
      const handle = (): void => {
        server.emit(UPGRADE_ADMITTED, request, socket, head);
        enter(ask(request));
        upgrades.handle(request, socket, head);
      };
      const verdict = verdicts.get(request);
      if (!(verdict instanceof Promise)) return handle();
      const stopWatching = onceClientLeaves(socket, () => socket.destroy());
      void verdict.then((refusal) => {
        stopWatching();
        if (socket.destroyed) return;
        if (refusal) server.emit('request', request, responseTo(request, socket as Socket));
        else handle();
      });
    });
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

function refuseAccess(refusal: HttpRefusal, response: ServerResponse): void {
  const { statusCode, code, message } = refusal;
  const body = Buffer.from(JSON.stringify({ statusCode, code, message } satisfies HttpRefusal));
  const headers = {
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': body.length,
    'Cache-Control': 'no-store',
    // Nobody reads the rest of the request.
    Connection: 'close',
    ...(statusCode === 401 && { 'WWW-Authenticate': 'Bearer' }),
  };
  response.writeHead(statusCode, headers).end(body);
}

/** For a request whose connection Node.js has given away for an upgrade. */
function responseTo(request: IncomingMessage, socket: Socket): ServerResponse {
  const response = new ServerResponse(request);
  response.assignSocket(socket);
  response.once('finish', () => socket.destroySoon());
  return response;
}

function matches(layer: Layer, path: string): boolean {
  try {
    return layer.match(path);
  } catch {
    // URIError: a parameter of the path cannot be decoded. The path matches, and Express will answer with 400.
    return true;
  }
}

/** The same body as that of Nest. */
function answerNotFound({ method, url }: IncomingMessage, response: ServerResponse): void {
  const body = { message: `Cannot ${method} ${url}`, error: 'Not Found', statusCode: 404 };
  response.writeHead(404, { 'Content-Type': 'application/json; charset=utf-8' }).end(JSON.stringify(body));
}
