import { Module } from '@nestjs/common';
import type {
  DynamicModule,
  FactoryProvider,
  ModuleMetadata,
  Provider,
  Type,
  ValueProvider,
} from '@nestjs/common';
import { CaptureConfig } from '../config/capture.config.js';
import { DiscoveryConfig } from '../config/discovery.config.js';
import { ServerEnvironment } from '../config/server-environment.js';
import { FallbackTargetDirectory } from '../discovery/fallback-target-directory.js';
import { GhostwireTargetDirectory } from '../discovery/ghostwire/ghostwire-target-directory.js';
import { LocalTargetDirectory } from '../discovery/local/local-target-directory.js';
import { TargetDirectory } from '../discovery/target-directory.js';
import { HealthModule } from '../operations/health.module.js';
import { Readiness } from '../operations/readiness.js';
import { MetricsModule } from '../operations/metrics.module.js';
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
 * A class, or what Nest takes to make an instance, without saying what for.
 *
 * @publicApi
 */
export type Implementation<Port> =
  Type<Port> | Omit<FactoryProvider<Port>, 'provide'> | Omit<ValueProvider<Port>, 'provide'>;

/**
 * What a team may swap; whatever is left out stays as it is.
 *
 * @publicApi
 */
export interface CaptureModuleOptions {
  readonly captureProvider?: Implementation<CaptureProvider>;
  readonly netnsResolver?: Implementation<NetnsResolver>;
  readonly targetDirectory?: Implementation<TargetDirectory>;
  /** Modules with what those need. */
  readonly imports?: ModuleMetadata['imports'];
}

/**
 * Captures by websocket, `/capture`. What it needs of the outside are the options.
 *
 * @publicApi
 */
@Module({})
export class CaptureModule {
  static register(options: CaptureModuleOptions = {}): DynamicModule {
    const {
      captureProvider = LIBPCAP,
      netnsResolver = TableNetnsResolver,
      targetDirectory = GHOSTWIRE_OR_LOCAL,
      imports = [],
    } = options;
    return {
      module: CaptureModule,
      imports: [HealthModule, MetricsModule, ...imports],
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
        provide(TargetDirectory, targetDirectory),
      ],
      exports: [CaptureProvider, NetnsResolver, TargetDirectory],
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

const GHOSTWIRE_OR_LOCAL: Implementation<TargetDirectory> = {
  useFactory: ({ service, gwPort, configured }: DiscoveryConfig, { discovererSocket }: ServerEnvironment) => {
    const ghostwire = new GhostwireTargetDirectory({ service, gwPort });
    if (discovererSocket === undefined) return ghostwire;
    return new FallbackTargetDirectory(ghostwire, new LocalTargetDirectory(discovererSocket), configured);
  },
  inject: [DiscoveryConfig, ServerEnvironment],
};

/** Ports are abstract classes and so their own injection tokens. */
function provide<Port>(
  port: abstract new (...args: never[]) => Port,
  implementation: Implementation<Port>,
): Provider<Port> {
  return typeof implementation === 'function'
    ? { provide: port, useClass: implementation }
    : { provide: port, ...implementation };
}
