import { Module, type DynamicModule, type FactoryProvider, type ModuleMetadata } from '@nestjs/common';
import { ServerEnvironment } from '../../shared/supervisor-link/supervisor-link.js';
import { CaptureConfig } from '../config/capture.config.js';
import { TargetDirectory } from '../discovery/target-directory.js';
import { EngineCaptureProvider } from '../engine-client/engine-capture-provider.js';
import { providePort, type Implementation } from '../provide-port.js';
import { Readiness } from '../operations/readiness.js';
import { ServiceMetrics } from '../operations/service-metrics.js';
import { CaptureMetrics } from './capture-metrics.js';
import { CaptureOpener } from './capture-opener.js';
import { CapturePermission } from './capture-permission.js';
import { CaptureProvider } from './capture-provider.js';
import { CaptureController } from './capture.controller.js';
import { CaptureGateway } from './capture.gateway.js';
import { CaptureSessions } from './capture-sessions.js';
import { CapturesController } from './captures.controller.js';
import { DownloadController } from './download.controller.js';
import { FilterController } from './filter.controller.js';
import { ClientLiveness, LivenessTiming } from './liveness/client-liveness.js';
import { CaptureSlots } from './capture-slots.js';
import { NetnsResolver } from './resolve/netns-resolver.js';
import { DirectoryNetnsResolver } from './resolve/directory-netns-resolver.js';

/**
 * The ports that a team may replace; those that are absent keep their default.
 *
 * @publicApi
 */
export interface CaptureModuleOptions {
  /** Default: the engines of this service. */
  readonly captureProvider?: Implementation<CaptureProvider>;
  /** Default: the table of the API, with `TargetDirectory` for look-ups. */
  readonly netnsResolver?: Implementation<NetnsResolver>;
  /** Modules that export what those inject. */
  readonly imports?: ModuleMetadata['imports'];
}

/**
 * Instances of the ports, made by one factory.
 *
 * @publicApi
 */
export interface CapturePorts {
  readonly captureProvider?: CaptureProvider;
  readonly netnsResolver?: NetnsResolver;
}

/** @publicApi */
export interface CaptureModuleAsyncOptions {
  readonly useFactory: (...dependencies: never[]) => CapturePorts | Promise<CapturePorts>;
  readonly inject?: FactoryProvider['inject'];
  readonly imports?: ModuleMetadata['imports'];
}

/**
 * Captures by websocket and as downloads, the list of those that run, and the check of filters. Needs `OptionsModule`, `HttpModule`, `OperationsModule` and
 * `DiscoveryModule`, and provides `CaptureProvider` and `NetnsResolver` to all modules.
 *
 * @publicApi
 */
@Module({})
export class CaptureModule {
  static forRoot(options: CaptureModuleOptions = {}): DynamicModule {
    const { captureProvider = ENGINES, netnsResolver = TABLE, imports = [] } = options;
    return {
      module: CaptureModule,
      global: true,
      imports,
      controllers: [CaptureController, DownloadController, CapturesController, FilterController],
      providers: [
        CaptureGateway,
        CaptureMetrics,
        CaptureOpener,
        CapturePermission,
        CaptureSessions,
        CaptureSlots,
        ClientLiveness,
        LivenessTiming,
        providePort(CaptureProvider, captureProvider),
        providePort(NetnsResolver, netnsResolver),
      ],
      exports: [CaptureOpener, CaptureProvider, NetnsResolver],
    };
  }

  /** Like `forRoot`, with ports that one factory makes, perhaps asynchronously. */
  static forRootAsync({ useFactory, inject = [], imports = [] }: CaptureModuleAsyncOptions): DynamicModule {
    const module = CaptureModule.forRoot({
      captureProvider: orDefault('captureProvider', ENGINES),
      netnsResolver: orDefault('netnsResolver', TABLE),
      imports,
    });
    const ports: FactoryProvider = { provide: CAPTURE_PORTS, useFactory, inject };
    return { ...module, providers: [...(module.providers ?? []), ports] };
  }
}

type Factory<Port> = Omit<FactoryProvider<Port>, 'provide'>;

const CAPTURE_PORTS = Symbol('CapturePorts');

const ENGINES: Factory<CaptureProvider> = {
  useFactory: (
    environment: ServerEnvironment,
    readiness: Readiness,
    metrics: ServiceMetrics,
    { maxInFlightKibibytes }: CaptureConfig,
  ) => new EngineCaptureProvider(environment, readiness, metrics, maxInFlightKibibytes * 1024),
  inject: [ServerEnvironment, Readiness, ServiceMetrics, CaptureConfig],
};

const TABLE: Factory<NetnsResolver> = {
  useFactory: (directory: TargetDirectory, metrics: CaptureMetrics) =>
    new DirectoryNetnsResolver(directory, metrics),
  inject: [TargetDirectory, CaptureMetrics],
};

/** The port that the factory made, or else the default. */
function orDefault<Name extends keyof CapturePorts>(
  name: Name,
  { useFactory, inject = [] }: Factory<NonNullable<CapturePorts[Name]>>,
): Factory<NonNullable<CapturePorts[Name]>> {
  return {
    useFactory: (ports: CapturePorts, ...dependencies: unknown[]) =>
      ports[name] ?? useFactory(...dependencies),
    inject: [CAPTURE_PORTS, ...inject],
  };
}
