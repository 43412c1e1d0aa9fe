import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { ModuleRef, NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { ServiceConfig } from '../config/service.config.js';
import { ListenError } from '../http/listen-error.js';
import { logRequests } from '../http/request-log.js';
import { ServiceHttpAdapter } from '../http/service-http-adapter.js';
import { OPERATOR_CONTROLLERS, OPERATOR_FACTS } from './operator-paths.js';
import { operatorPlace } from './operator-place.js';

const OPTIONS = {
  port: '--operator-port or PACKETFLIX_OPERATOR_PORT',
  host: '--operator-host or PACKETFLIX_OPERATOR_HOST',
};

/**
 * The paths for operators on a port of their own: a second, tiny application in this process, with the same
 * controllers, which look at the first one. It is there before the service is, and until the last capture has ended.
 */
@Injectable()
export class OperatorListener implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger('Operator');
  private app?: NestExpressApplication;

  constructor(
    private readonly config: ServiceConfig,
    private readonly moduleRef: ModuleRef,
  ) {}

  /** @throws ListenError */
  async onApplicationBootstrap(): Promise<void> {
    const place = operatorPlace(this.config);
    if (place.kind !== 'own-port') return;
    const app = await this.createApp();
    this.app = app;
    const { logRequests: withRequests, logHeaders: withHeaders } = this.config;
    if (withRequests || withHeaders) logRequests(app.getHttpServer(), withHeaders);
    const { port, host } = place;
    try {
      await (host === undefined ? app.listen(port) : app.listen(port, host));
    } catch (error) {
      throw new ListenError(error as NodeJS.ErrnoException, { host, port, options: OPTIONS });
    }
    this.logger.log(`health is told at ${await app.getUrl()}`);
  }

  async onApplicationShutdown(): Promise<void> {
    await this.app?.close();
  }

  /** Without a logger of its own: then the first application's stays. */
  private createApp(): Promise<NestExpressApplication> {
    return NestFactory.create<NestExpressApplication>(
      {
        module: class OperatorPortModule {},
        controllers: [...OPERATOR_CONTROLLERS],
        providers: OPERATOR_FACTS.map((fact) => ({
          provide: fact,
          useValue: this.moduleRef.get<unknown>(fact, { strict: false }),
        })),
      },
      new ServiceHttpAdapter(),
      { bodyParser: false, abortOnError: false },
    );
  }
}
