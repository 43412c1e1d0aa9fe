import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { DynamicModule } from '@nestjs/common';
import type { Options } from '../shared/config/parse-command-line.js';
import { logFormat } from '../shared/logging/process-log.js';
import { browserPolicy } from './http/browser-policy.js';
import { HttpAdapter } from './http/http-adapter.js';
import { UpgradeWsAdapter } from './http/upgrade-ws-adapter.js';
import { logRequests } from './http/request-log.js';
import { ServiceLogger } from './service-logger.js';

/** Connections of one client besides those that carry captures. */
const OTHER_CONNECTIONS = 256;

/**
 * Creates the Nest application with its adapters and its logger, which modules cannot provide. It does not listen yet.
 *
 * @publicApi
 */
export async function createApplication(
  module: DynamicModule,
  { service, capture }: Options,
): Promise<NestExpressApplication> {
  const adapter = new HttpAdapter({
    examine: browserPolicy(service.allowedOrigins, service.allowedHosts),
    mustBeGuarded: service.tokenFile !== undefined || service.authorize !== undefined,
    // One client, such as a proxy for all others, may have half: all captures and the other requests.
    maxConnections: 2 * (capture.maxCaptures + OTHER_CONNECTIONS),
  });
  const app = await NestFactory.create<NestExpressApplication>(module, adapter, {
    // No controller reads a body, and a parser would consume the bodies of proxied requests.
    bodyParser: false,
    abortOnError: false,
    logger: new ServiceLogger({
      debug: service.debug,
      format: logFormat(service.logFormat, process.stderr.isTTY === true),
    }),
  });
  app.useWebSocketAdapter(new UpgradeWsAdapter(app));
  if (service.logRequests || service.logHeaders) logRequests(app.getHttpServer(), service.logHeaders);
  return app;
}
