import { Module } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { CaptureModule } from './capture/capture.module.js';
import type { CaptureModuleOptions } from './capture/capture.module.js';
import type { Options } from './config/options.js';
import { OptionsModule } from './config/options.module.js';
import { LocalDiscoveryModule } from './discovery/local/local-discovery.module.js';
import { GhostwireProxyModule } from './discovery/proxy/ghostwire-proxy.module.js';
import { OperatorModule } from './operations/operator.module.js';
import { BorderModule } from './border.module.js';
import { UpgradeModule } from './http/upgrade.module.js';
import { VersionModule } from './version/version.module.js';

/** The whole application. Modules of your own go here, too. */
@Module({})
export class AppModule {
  static register(options: Options, capture?: CaptureModuleOptions): DynamicModule {
    return {
      module: AppModule,
      imports: [
        OptionsModule.register(options),
        BorderModule,
        UpgradeModule,
        VersionModule,
        OperatorModule.register(options),
        CaptureModule.register(capture),
        ...(options.discovery.local ? [LocalDiscoveryModule] : []),
        ...(options.discovery.proxy ? [GhostwireProxyModule] : []),
      ],
    };
  }
}
