import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { createProxyMiddleware, proxyEventsPlugin } from 'http-proxy-middleware';
import type { RequestHandler } from 'http-proxy-middleware';
import { Agent, ServerResponse } from 'node:http';
import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { DiscoveryConfig } from '../../config/discovery.config.js';
import type { HttpAdapter } from '../../http/http-adapter.js';
import { redactedTarget } from '../../http/request-log.js';
import { pathOf } from '../../http/request-target.js';
import { UpgradeRoutes } from '../../http/upgrade-routes.js';
import { OperatorPort } from '../../operations/operator-port.js';
import { NamedTargetSets } from '../named-target-sets.js';
import { abortWithClient, closeTogether, limitTimeToAnswer } from './connection-ends.js';
import {
  DISCOVERY_PREFIX,
  ENABLE_MONOLITH,
  forwardedHeaders,
  forwardedTrailers,
  headersWithLength,
  passAnswer,
  upstreamTarget,
} from './forwarded-message.js';
import { isList, LIST_PATH, MAX_LIST_BYTES, withSets } from './listed-sets.js';
import { answerFailure, proxyFailure } from './proxy-failure.js';

/** GhostWire's connections are closed when they have been idle for this time, before GhostWire closes them. */
const IDLE_TIMEOUT_MS = 4_000;

/** Forwards requests to the GhostWire service: `/discover/...`, and every path without a route of this service. */
@Injectable()
export class GhostwireProxy implements OnApplicationShutdown {
  private readonly logger = new Logger('Proxy');
  private readonly forward: RequestHandler;
  private readonly targets = new WeakMap<IncomingMessage, string>();
  /** Requests for the list of targets, to which the sets are added. */
  private readonly lists = new WeakSet<IncomingMessage>();
  /** Sockets to which an answer of GhostWire has been started: it is too late for an answer of our own. */
  private readonly answered = new WeakSet<Socket>();
  /** No request waits for another one: there is no maximum of connections, and each has one request at a time. */
  private readonly agent = new Agent({ keepAlive: true, timeout: IDLE_TIMEOUT_MS });
  private readonly upstreams = new WeakMap<IncomingMessage, ClientRequest>();
  private failing = false;

  constructor(
    private readonly config: DiscoveryConfig,
    private readonly adapterHost: HttpAdapterHost<HttpAdapter>,
    private readonly upgradeRoutes: UpgradeRoutes,
    private readonly operatorPort: OperatorPort,
    private readonly sets: NamedTargetSets,
  ) {
    this.forward = createProxyMiddleware({
      target: { protocol: 'http:', hostname: config.ghostwireHost, port: config.ghostwirePort },
      changeOrigin: true,
      headers: { [ENABLE_MONOLITH.name]: ENABLE_MONOLITH.value },
      pathRewrite: (_, request) => this.targets.get(request),
      agent: this.agent,
      selfHandleResponse: true,
      // The default plugins would answer errors with other status codes and write to the console.
      ejectPlugins: true,
      plugins: [proxyEventsPlugin],
      on: {
        proxyReq: (upstream, request, response) => this.onRequest(upstream, request, response),
        proxyReqWs: (upstream, request, socket) => this.onHandshake(upstream, request, socket),
        proxyRes: (answer, request, response) => this.onAnswer(answer, request, response),
        error: (error, request, to) => {
          if (request && to) this.fail(error, request, to);
        },
      },
    });
  }

  /**
   * Adds the proxy to the application, before the routes of controllers. Nest's `MiddlewareConsumer` is of no use here:
   * it adds a route for all paths, and the proxy must know which paths have routes.
   */
  mount(): void {
    const { httpAdapter } = this.adapterHost;
    httpAdapter.use((request: IncomingMessage, response: ServerResponse, next: () => void) => {
      const path = pathOf(request.url ?? '');
      if (path === undefined || this.operatorPort.received(request) || !this.isForwarded(path)) return next();
      this.prepare(request, false);
      void this.forward(request, response, (error) => this.logger.debug(error));
    });

    const upgrade = (request: IncomingMessage, socket: unknown, head: Buffer): void => {
      this.prepare(request, true);
      this.forward.upgrade(request, socket as Socket, head);
    };
    const isForwarded = (path: string) => this.isForwarded(path);
    this.upgradeRoutes.prefix(DISCOVERY_PREFIX, upgrade, isForwarded);
    this.upgradeRoutes.fallback(upgrade, isForwarded);
  }

  onApplicationShutdown(): void {
    this.agent.destroy();
  }

  /** Whether no controller serves this path, with any method: a `POST` to a path of this service is not forwarded. */
  private isForwarded(path: string): boolean {
    if (this.operatorPort.isElsewhere(path)) return true;
    return !this.adapterHost.httpAdapter.hasRoute(path);
  }

  private prepare(request: IncomingMessage, websocket: boolean): void {
    this.targets.set(request, upstreamTarget(request.url ?? '') ?? '/');
    if (request.method === 'GET' && pathOf(request.url ?? '') === LIST_PATH) this.lists.add(request);
    // The library parses the target, even if there is no `pathFilter`, and does not forward requests whose target is
    // not a URL, such as `//` (chimurai/http-proxy-middleware pull request 1043). `pathRewrite` sets the real target.
    request.url = '/';
    request.headers = forwardedHeaders(request, websocket);
    if (this.lists.has(request)) delete request.headers['accept-encoding']; // it is to be read
  }

  private onRequest(upstream: ClientRequest, request: IncomingMessage, response: ServerResponse): void {
    this.upstreams.set(request, upstream);
    limitTimeToAnswer(this.config.timeoutSeconds * 1000, upstream, request);
    // Must be registered before `pipe`, which ends the request: trailers cannot be added after that.
    request.once('end', () => upstream.addTrailers(forwardedTrailers(request)));
    // The client did not ask for another protocol. Without a listener, Node.js closes the connection silently.
    upstream.once('upgrade', (_, socket) => {
      socket.destroy();
      this.fail(new Error('unexpected protocol switch'), request, response);
    });
  }

  private onHandshake(upstream: ClientRequest, request: IncomingMessage, client: Socket): void {
    limitTimeToAnswer(this.config.timeoutSeconds * 1000, upstream, request);
    abortWithClient(upstream, client);
    upstream.once('response', () => this.answered.add(client));
    upstream.once('upgrade', (_, socket) => {
      this.reportRecovery();
      this.answered.add(client);
      closeTogether(client, socket);
    });
  }

  private onAnswer(answer: IncomingMessage, request: IncomingMessage, response: ServerResponse): void {
    this.reportRecovery();
    if (this.lists.has(request) && isList(answer)) return void this.passList(answer, request, response);
    try {
      passAnswer(answer, request, response);
    } catch (error) {
      answer.destroy();
      this.fail(error as Error, request, response);
    }
  }

  /** Never rejects. */
  private async passList(
    answer: IncomingMessage,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    try {
      const pieces: Buffer[] = [];
      let bytes = 0;
      for await (const piece of answer as AsyncIterable<Buffer>) {
        pieces.push(piece);
        bytes += piece.length;
        if (bytes > MAX_LIST_BYTES) throw new Error(`a list of more than ${MAX_LIST_BYTES} bytes`);
      }
      const list = withSets(Buffer.concat(pieces), this.sets);
      response.writeHead(200, answer.statusMessage, headersWithLength(answer, list.length)).end(list);
    } catch (error) {
      answer.destroy();
      this.fail(error as Error, request, response);
    }
  }

  /** Whether GhostWire closed an idle connection just when the request was sent, so that it can be sent again. */
  private isStale(error: Error, request: IncomingMessage, to: ServerResponse): boolean {
    const { code } = error as NodeJS.ErrnoException;
    const isReset = code === 'ECONNRESET' || code === 'EPIPE';
    const hasNoBody = request.complete && ['GET', 'HEAD'].includes(request.method ?? '');
    const isReused = this.upstreams.get(request)?.reusedSocket === true;
    return isReset && isReused && hasNoBody && !to.headersSent && !to.destroyed && to.writable;
  }

  private reportRecovery(): void {
    if (this.failing) this.logger.log('GhostWire answers again');
    this.failing = false;
  }

  private fail(error: Error, request: IncomingMessage, to: ServerResponse | Socket): void {
    if (to instanceof ServerResponse && this.isStale(error, request, to)) {
      void this.forward(request, to, (failure) => this.logger.debug(failure));
      return;
    }
    const failure = proxyFailure(error, this.config);
    // A client that closes its connection is not a failure of GhostWire.
    const { writable, readableEnded } = request.socket;
    const clientLeft = to.destroyed || !writable || readableEnded;
    const target = redactedTarget(this.targets.get(request) ?? '');
    const event = { message: failure.message, method: request.method, target };
    // Pages send requests every few seconds: one warning is enough until GhostWire answers again.
    if (clientLeft || this.failing) this.logger.debug(event);
    else this.logger.warn(event);
    this.failing ||= !clientLeft;
    if (to instanceof ServerResponse) {
      if (to.headersSent || to.destroyed) return void to.destroy();
      answerFailure(failure, to);
      // The client sees the answer only if the rest of its upload is read.
      request.unpipe();
      request.resume();
    } else if (!this.answered.has(to) && to.writable) {
      answerFailure(failure, to);
    }
  }
}
