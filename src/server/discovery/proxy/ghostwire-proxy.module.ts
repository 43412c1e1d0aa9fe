import { Module, type NestModule } from '@nestjs/common';
import { GhostwireProxy } from './ghostwire-proxy.js';

/** Proxies GhostWire at `/discover/...` and at every path that this service does not serve itself. */
@Module({ providers: [GhostwireProxy] })
export class GhostwireProxyModule implements NestModule {
  constructor(private readonly proxy: GhostwireProxy) {}

  /** Nest calls this before it registers the routes of controllers. */
  configure(): void {
    this.proxy.mount();
  }
}
