import { Module } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { ConfigModule, ConfigService, registerAs } from '@nestjs/config';
import { CaptureConfig } from './capture.config.js';
import { DiscoveryConfig } from './discovery.config.js';
import { ServerEnvironment } from './server-environment.js';
import type { Options } from './options.js';
import { ServiceConfig } from './service.config.js';

/** Makes the options injectable everywhere: by class (`ServiceConfig`, ...) and through Nest's `ConfigService`. */
@Module({})
export class OptionsModule {
  static register({ service, capture, discovery, engine }: Options): DynamicModule {
    const byClass = [
      { provide: ServiceConfig, useFactory: namespaceOf('service'), inject: [ConfigService] },
      { provide: CaptureConfig, useFactory: namespaceOf('capture'), inject: [ConfigService] },
      { provide: DiscoveryConfig, useFactory: namespaceOf('discovery'), inject: [ConfigService] },
      { provide: ServerEnvironment, useFactory: namespaceOf('engine'), inject: [ConfigService] },
    ];
    return {
      module: OptionsModule,
      global: true,
      imports: [
        ConfigModule.forRoot({
          // The command line has been read already, environment included, in one place: parseCommandLine.
          ignoreEnvFile: true,
          ignoreEnvVars: true,
          skipProcessEnv: true,
          load: [
            registerAs('service', () => service),
            registerAs('capture', () => capture),
            registerAs('discovery', () => discovery),
            registerAs('engine', () => engine),
          ],
        }),
      ],
      providers: byClass,
      exports: [ConfigModule, ...byClass.map(({ provide }) => provide)],
    };
  }
}

function namespaceOf(name: keyof Options): (config: ConfigService) => unknown {
  return (config) => config.getOrThrow(name);
}
