import { Module, type DynamicModule, type FactoryProvider, type ModuleMetadata } from '@nestjs/common';
import { DiscoveryConfig } from '../config/discovery.config.js';
import { ServerEnvironment } from '../../shared/supervisor-link/supervisor-link.js';
import { providePort, type Implementation } from '../provide-port.js';
import { DiscovererTargetDirectory } from './discoverer-target-directory.js';
import { DiscoveryReadiness } from './discovery-readiness.js';
import { FallbackTargetDirectory } from './fallback-target-directory.js';
import { GhostwireTargetDirectory } from './ghostwire-target-directory.js';
import { MobysharkController } from './mobyshark.controller.js';
import { GhostwireProxyModule } from './proxy/ghostwire-proxy.module.js';
import { LiveTargets } from './live-targets.js';
import { TargetDirectory } from './target-directory.js';
import { NamedTargetSets } from './named-target-sets.js';
import { PermittedTargets } from './permitted-targets.js';
import { TargetsController } from './targets.controller.js';

/** @publicApi */
export interface DiscoveryModuleOptions {
  /** Whether to serve the discoverer's list of targets at `/discover/mobyshark`; default: no. */
  readonly local?: boolean;
  /** Whether to proxy GhostWire; default: no. Excludes `local`, since both serve `/discover/mobyshark`. */
  readonly proxy?: boolean;
  /** Replaces the directory. Default: the discoverer; where GhostWire is configured, that with it as fallback. */
  readonly targetDirectory?: Implementation<TargetDirectory>;
  /** Modules that export what `targetDirectory` injects. */
  readonly imports?: ModuleMetadata['imports'];
}

/** @publicApi */
export interface DiscoveryModuleAsyncOptions extends Omit<DiscoveryModuleOptions, 'targetDirectory'> {
  readonly useFactory: FactoryProvider<TargetDirectory>['useFactory'];
  readonly inject?: FactoryProvider<TargetDirectory>['inject'];
}

/**
 * Finds capture targets: provides `TargetDirectory`, `LiveTargets` and `NamedTargetSets` to all modules, serves `/targets`, and
 * `/discover/...` if configured.
 *
 * @publicApi
 */
@Module({})
export class DiscoveryModule {
  static forRoot(options: DiscoveryModuleOptions = {}): DynamicModule {
    const { local = false, proxy = false, targetDirectory = CONFIGURED_DIRECTORY, imports = [] } = options;
    return {
      module: DiscoveryModule,
      global: true,
      imports: [...(proxy ? [GhostwireProxyModule] : []), ...imports],
      controllers: [TargetsController, ...(local ? [MobysharkController] : [])],
      providers: [
        DiscoveryReadiness,
        LiveTargets,
        NamedTargetSets,
        PermittedTargets,
        providePort(TargetDirectory, targetDirectory),
      ],
      exports: [LiveTargets, TargetDirectory, NamedTargetSets, PermittedTargets],
    };
  }

  /** Like `forRoot` with a `targetDirectory` that a factory makes, perhaps asynchronously. */
  static forRootAsync({ useFactory, inject = [], ...options }: DiscoveryModuleAsyncOptions): DynamicModule {
    return DiscoveryModule.forRoot({ ...options, targetDirectory: { useFactory, inject } });
  }
}

const CONFIGURED_DIRECTORY: Implementation<TargetDirectory> = {
  useFactory: (
    { ghostwireHost, ghostwirePort, configured }: DiscoveryConfig,
    { discovererSocket: socketPath, requestStart }: ServerEnvironment,
  ) => {
    const discoverer = new DiscovererTargetDirectory({ socketPath, requestStart });
    // Any program can listen at GhostWire's default address.
    if (!configured) return discoverer;
    const ghostwire = new GhostwireTargetDirectory({ ghostwireHost, ghostwirePort });
    return socketPath === undefined ? ghostwire : new FallbackTargetDirectory(ghostwire, discoverer);
  },
  inject: [DiscoveryConfig, ServerEnvironment],
};
