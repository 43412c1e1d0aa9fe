import { Module } from '@nestjs/common';
import type { DynamicModule, Type } from '@nestjs/common';
import { ConfigModule, registerAs } from '@nestjs/config';
import { validateSync } from 'class-validator';
import type { Options } from '../../shared/config/parse-command-line.js';
import { ServerEnvironment } from '../../shared/supervisor-link/supervisor-link.js';
import { CaptureConfig } from './capture.config.js';
import { ClusterConfig } from './cluster.config.js';
import { DiscoveryConfig } from './discovery.config.js';
import { ServiceConfig } from './service.config.js';

/**
 * Makes the options injectable everywhere: by class (`ServiceConfig`, ...) and through Nest's `ConfigService`, as
 * `service`, `capture`, `discovery`, `cluster` and `environment`.
 */
@Module({})
export class OptionsModule {
  /** The application does not start when an option is not valid. Options of `parseCommandLine` are valid. */
  static forRoot(options: Options): DynamicModule {
    const service = Object.assign(new ServiceConfig(), options.service);
    const capture = Object.assign(new CaptureConfig(), options.capture);
    const discovery = Object.assign(new DiscoveryConfig(), options.discovery);
    const cluster = Object.assign(new ClusterConfig(), options.cluster);
    const factories = {
      service: registerAs('service', () => service),
      capture: registerAs('capture', () => capture),
      discovery: registerAs('discovery', () => discovery),
      cluster: registerAs('cluster', () => cluster),
      environment: registerAs('environment', () => options.environment),
    };
    const byClass: readonly [Type, { KEY: string | symbol }][] = [
      [ServiceConfig, factories.service],
      [CaptureConfig, factories.capture],
      [DiscoveryConfig, factories.discovery],
      [ClusterConfig, factories.cluster],
      [ServerEnvironment, factories.environment],
    ];
    const providers = byClass.map(([provide, { KEY }]) => ({ provide, useExisting: KEY }));
    return {
      module: OptionsModule,
      global: true,
      imports: [
        ConfigModule.forRoot({
          load: Object.values(factories),
          validate: (environment) => {
            assertValid([service, capture, discovery, cluster]);
            return environment;
          },
          // parseCommandLine has read the environment, together with the flags.
          ignoreEnvFile: true,
          validatePredefined: false,
          skipProcessEnv: true,
        }),
      ],
      providers,
      exports: [ConfigModule, ...byClass.map(([provide]) => provide)],
    };
  }
}

/** @throws Error that names all values that are not valid */
function assertValid(configs: readonly object[]): void {
  const problems = configs
    .flatMap((config) => validateSync(config))
    .flatMap(({ constraints }) => Object.values(constraints ?? {}));
  if (problems.length > 0) throw new Error(problems.join('\n'));
}
