import { Module } from '@nestjs/common';
import type { DynamicModule, ModuleMetadata } from '@nestjs/common';
import { CaptureConfig } from '../config/capture.config.js';
import { ServerEnvironment } from '../../shared/supervisor-link/supervisor-link.js';
import { provide } from '../implementation.js';
import type { Implementation } from '../implementation.js';
import { Readiness } from '../operations/readiness.js';
import { ServiceMetrics } from '../operations/service-metrics.js';
import { CaptureMetrics } from './capture-metrics.js';
import { CaptureOpener } from './capture-opener.js';
import { CaptureSlots } from './request/capture-slots.js';
import { CaptureProvider } from './capture-provider.js';
import { CaptureController } from './capture.controller.js';
import { CaptureGateway } from './capture.gateway.js';
import { HeartbeatTiming } from './liveness/heartbeat-timing.js';
import { Heartbeat } from './liveness/heartbeat.js';
import { EngineCaptureProvider } from '../engine-client/engine-capture-provider.js';
import { NetnsResolver } from './resolve/netns-resolver.js';
import { TableNetnsResolver } from './resolve/table-netns-resolver.js';

/**
 * What a team may swap; whatever is left out stays as it is.
 *
 * @publicApi
 */
export interface CaptureModuleOptions {
  readonly captureProvider?: Implementation<CaptureProvider>;
  readonly netnsResolver?: Implementation<NetnsResolver>;
  /** Modules with what those need. */
  readonly imports?: ModuleMetadata['imports'];
}

/**
 * Captures by websocket, `/capture`. It needs the options, `HttpModule`, `OperationsModule` and `DiscoveryModule`.
 *
 * @publicApi
 */
@Module({})
export class CaptureModule {
  static register(options: CaptureModuleOptions = {}): DynamicModule {
    const { captureProvider = LIBPCAP, netnsResolver = TableNetnsResolver, imports = [] } = options;
    return {
      module: CaptureModule,
      imports,
      controllers: [CaptureController],
      providers: [
        CaptureGateway,
        CaptureMetrics,
        CaptureOpener,
        CaptureSlots,
        Heartbeat,
        HeartbeatTiming,
        provide(CaptureProvider, captureProvider),
        provide(NetnsResolver, netnsResolver),
      ],
      exports: [CaptureProvider, NetnsResolver],
    };
  }
}

const LIBPCAP: Implementation<CaptureProvider> = {
  useFactory: (
    config: ServerEnvironment,
    readiness: Readiness,
    metrics: ServiceMetrics,
    { maxInFlightKibibytes }: CaptureConfig,
  ) => new EngineCaptureProvider(config, readiness, metrics, maxInFlightKibibytes * 1024),
  inject: [ServerEnvironment, Readiness, ServiceMetrics, CaptureConfig],
};
