import { Global, Module } from '@nestjs/common';
import { UpgradeRoutes } from './upgrade-routes.js';

/** Global, because every module that serves websockets, as a gateway or a proxy, adds routes to the one table. */
@Global()
@Module({ providers: [UpgradeRoutes], exports: [UpgradeRoutes] })
export class HttpModule {}
