import { Module } from '@nestjs/common';
import { GhostwireProxy } from './ghostwire-proxy.js';
import { OwnRoutes } from './own-routes.js';

/** Loaded only with `--proxy-discovery`: see DiscoveryModule. */
@Module({ providers: [GhostwireProxy, OwnRoutes] })
export class GhostwireProxyModule {}
