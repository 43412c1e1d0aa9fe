import { Module } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { AccessModule } from './access/access.module.js';
import type { AccessModuleOptions } from './access/access.module.js';
import { CaptureModule } from './capture/capture.module.js';
import type { CaptureModuleOptions } from './capture/capture.module.js';
import { CLUSTER_DIRECTORY, CLUSTER_PROVIDER, ClusterModule } from './cluster/cluster.module.js';
import { ConsoleModule } from './console/console.module.js';
import type { Options } from '../shared/config/parse-command-line.js';
import { OptionsModule } from './config/options.module.js';
import { DiscoveryModule } from './discovery/discovery.module.js';
import type { DiscoveryModuleOptions } from './discovery/discovery.module.js';
import { operationsOptions } from './operations/operator-port.js';
import { OperationsModule } from './operations/operations.module.js';
import { ServiceConfig } from './config/service.config.js';
import { HttpModule } from './http/http.module.js';
import { TicketsModule } from './tickets/tickets.module.js';
import { VersionModule } from './version/version.module.js';

/** The ports that a team may replace. */
type Ports = CaptureModuleOptions &
  Pick<DiscoveryModuleOptions, 'targetDirectory'> &
  Pick<AccessModuleOptions, 'authenticator'>;

/** The whole application. Add your own modules here. */
@Module({})
export class AppModule {
  static forRoot(options: Options, ports: Ports = {}): DynamicModule {
    const { local, proxy } = options.discovery;
    const isGateway = options.cluster.nodes.length > 0;
    const all: Ports = {
      ...(isGateway && { targetDirectory: CLUSTER_DIRECTORY, captureProvider: CLUSTER_PROVIDER }),
      ...ports,
    };
    return {
      module: AppModule,
      imports: [
        OptionsModule.forRoot(options),
        HttpModule,
        AccessModule.forRoot(ports),
        VersionModule,
        OperationsModule.forRootAsync({ useFactory: operationsOptions, inject: [ServiceConfig] }),
        ...(isGateway ? [ClusterModule.forRoot()] : []),
        DiscoveryModule.forRoot({ local: local || isGateway, proxy, ...all }),
        CaptureModule.forRoot(all),
        TicketsModule,
        ...(options.service.noConsole ? [] : [ConsoleModule.forRoot({ root: !proxy })]),
      ],
    };
  }
}
