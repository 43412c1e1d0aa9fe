import { Injectable, Logger } from '@nestjs/common';
import type { OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { createProxyMiddleware } from 'http-proxy-middleware';
import type { Plugin, RequestHandler } from 'http-proxy-middleware';
import { ServerResponse } from 'node:http';
import type { ClientRequest, IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import { DiscoveryConfig } from '../../config/discovery.config.js';
import { pathOf } from '../../http/request-target.js';
import { UpgradeRoutes } from '../../http/upgrade-routes.js';
import { expectAnswerWithin } from './answer-deadline.js';
import { ENABLE_MONOLITH, forwardedHeaders, forwardedTrailers } from './forwarded-headers.js';
import { OwnRoutes } from './own-routes.js';
import { passAnswer } from './pass-answer.js';
import { answerFailure, proxyFailure } from './proxy-failure.js';
import { DISCOVERY_PREFIX, upstreamTarget } from './upstream-target.js';
import { abandonWithClient, endTogether } from './websocket-ends.js';

/** Stands in front of the GhostWire service: `/discover/...`, and every path that nothing of ours serves. */
@Injectable()
export class GhostwireProxy implements OnModuleInit {
  private readonly logger = new Logger('Proxy');
  private readonly forward: RequestHandler;
  private readonly targets = new WeakMap<IncomingMessage, string>();
  /** Sockets on which GhostWire's own words have begun: too late for ours. */
  private readonly answered = new WeakSet<Socket>();
  private failing = false;

  constructor(
    private readonly config: DiscoveryConfig,
    private readonly adapterHost: HttpAdapterHost,
    private readonly upgradeRoutes: UpgradeRoutes,
    private readonly ownRoutes: OwnRoutes,
  ) {
    this.forward = createProxyMiddleware({
      target: { protocol: 'http:', hostname: config.service, port: config.gwPort },
      changeOrigin: true,
      headers: { [ENABLE_MONOLITH.name]: ENABLE_MONOLITH.value },
      pathRewrite: (_, request) => this.targets.get(request),
      // A connection per request: none that is half-dead, no queue behind event streams, and nobody's bytes ever
      // follow another client's.
      agent: false,
      selfHandleResponse: true,
      // The standard ones answer errors in their own way and with other codes.
      ejectPlugins: true,
      plugins: [this.listen],
    });
  }

  /** Nest calls this after it has registered all controllers, and before its own "not found". */
  onModuleInit(): void {
    const { httpAdapter } = this.adapterHost;
    // Uploads may take as long as they like; what takes long is told from what stands still by the deadline.
    (httpAdapter.getHttpServer() as Server).requestTimeout = 0;
    httpAdapter.use((request: IncomingMessage, response: ServerResponse, next: () => void) => {
      if (!this.wants(request.url)) return next();
      this.prepare(request, false);
      void this.forward(request, response, (error) => this.logger.debug(error));
    });

    const upgrade = (request: IncomingMessage, socket: unknown, head: Buffer): void => {
      this.prepare(request, true);
      this.forward.upgrade(request, socket as Socket, head);
    };
    const isTheirs = (path: string) => !this.ownRoutes.has(path);
    this.upgradeRoutes.prefix(DISCOVERY_PREFIX, upgrade, isTheirs);
    this.upgradeRoutes.fallback(upgrade, isTheirs);
  }

  private wants(target = ''): boolean {
    const path = pathOf(target);
    return path !== undefined && !this.ownRoutes.has(path);
  }

  private prepare(request: IncomingMessage, websocket: boolean): void {
    this.targets.set(request, upstreamTarget(request.url ?? '') ?? '/');
    // http-proxy-middleware parses what stands here and passes over what is no URL, `//` for one.
    request.url = '/';
    request.headers = forwardedHeaders(request, websocket);
  }

  private readonly listen: Plugin = (proxy) => {
    proxy.on('proxyReq', (asked, request, response) => this.onAsked(asked, request, response));
    proxy.on('proxyReqWs', (asked, request, socket) => this.onHandshake(asked, request, socket));
    proxy.on('proxyRes', (answer, request, response) => {
      this.onAnswer();
      try {
        passAnswer(answer, request, response);
      } catch (error) {
        answer.destroy();
        this.fail(error as Error, request, response);
      }
    });
    proxy.on('error', (error, request, to) => {
      if (request && to) this.fail(error, request, to);
    });
  };

  private onAsked(asked: ClientRequest, request: IncomingMessage, response: ServerResponse): void {
    expectAnswerWithin(this.config.timeoutSeconds * 1000, asked, request);
    // Before `pipe` listens: it ends the request, and trailers must be there by then.
    request.once('end', () => asked.addTrailers(forwardedTrailers(request)));
    // Nobody asked for a protocol switch; Node would just cut the connection and say nothing.
    asked.once('upgrade', (_, socket) => {
      socket.destroy();
      this.fail(new Error('unexpected protocol switch'), request, response);
    });
  }

  private onHandshake(asked: ClientRequest, request: IncomingMessage, client: Socket): void {
    expectAnswerWithin(this.config.timeoutSeconds * 1000, asked, request);
    abandonWithClient(asked, client);
    asked.once('response', () => this.answered.add(client));
    asked.once('upgrade', (_, upstream) => {
      this.onAnswer();
      this.answered.add(client);
      endTogether(client, upstream);
    });
  }

  private onAnswer(): void {
    if (this.failing) this.logger.log('GhostWire answers again');
    this.failing = false;
  }

  private fail(error: Error, request: IncomingMessage, to: ServerResponse | Socket): void {
    const failure = proxyFailure(error, this.config);
    // Clients go away all the time; that is no failure of GhostWire.
    const { writable, readableEnded } = request.socket;
    const clientHasGone = to.destroyed || !writable || readableEnded;
    const { method } = request;
    const event = { message: failure.message, method, target: this.targets.get(request) };
    // Pages ask every few seconds: one warning is enough until there is an answer again.
    if (clientHasGone || this.failing) this.logger.debug(event);
    else this.logger.warn(event);
    this.failing ||= !clientHasGone;
    if (to instanceof ServerResponse) {
      if (to.headersSent || to.destroyed) return void to.destroy();
      answerFailure(failure, to);
      // The rest of an upload goes nowhere, but must be read for the client to see the answer.
      request.unpipe();
      request.resume();
    } else if (!this.answered.has(to) && to.writable) {
      answerFailure(failure, to);
    }
  }
}
