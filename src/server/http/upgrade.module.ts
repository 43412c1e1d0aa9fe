import { Global, Module } from '@nestjs/common';
import { UpgradeRoutes } from './upgrade-routes.js';

/** Global: whoever serves websockets, gateway or proxy, adds routes to the one table. */
@Global()
@Module({ providers: [UpgradeRoutes], exports: [UpgradeRoutes] })
export class UpgradeModule {}
