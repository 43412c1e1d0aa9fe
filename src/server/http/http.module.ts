import { Global, Module } from '@nestjs/common';
import { ClientIdentity } from './client-identity.js';
import { UpgradeRoutes } from './upgrade-routes.js';

/**
 * Global, because every module that serves websockets, as a gateway or a proxy, adds routes to the one table. Needs
 * `OptionsModule`.
 */
@Global()
@Module({ providers: [ClientIdentity, UpgradeRoutes], exports: [ClientIdentity, UpgradeRoutes] })
export class HttpModule {}
