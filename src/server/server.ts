import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { DynamicModule } from '@nestjs/common';
import type { Options } from '../shared/config/parse-command-line.js';
import { logFormat } from '../shared/logging/process-log.js';
import { HttpAdapter } from './http/http-adapter.js';
import { UpgradeWsAdapter } from './http/upgrade-ws-adapter.js';
import { logRequests } from './http/request-log.js';
import { ServiceLogger } from './service-logger.js';

/**
 * The Nest application with everything that a module cannot bring along; it does not listen yet.
 *
 * @publicApi
 */
export async function createApplication(
  module: DynamicModule,
  { service }: Options,
): Promise<NestExpressApplication> {
  const app = await NestFactory.create<NestExpressApplication>(module, new HttpAdapter(), {
    // Nobody here reads bodies, and a parser would take those of proxied requests away.
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
