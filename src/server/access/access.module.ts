import { Global, Logger, Module, type DynamicModule, type ModuleMetadata } from '@nestjs/common';
import { TokenFile } from '../../shared/token-file.js';
import { ServiceConfig } from '../config/service.config.js';
import { providePort, type Implementation } from '../provide-port.js';
import { AccessGuard } from './access-guard.js';
import { Authenticator, OpenAuthenticator } from './authenticator.js';
import { TokenAuthenticator } from './token-authenticator.js';

/** @publicApi */
export interface AccessModuleOptions {
  /** Decides who may use the service. Default: who has the token of `--token-file`; without that option everybody. */
  readonly authenticator?: Implementation<Authenticator>;
  /** Modules that export what `authenticator` injects. */
  readonly imports?: ModuleMetadata['imports'];
}

/**
 * Who may use the service: asks the `Authenticator` before every route and before the upgrade of websockets. Needs `OptionsModule`
 * and `OperationsModule`.
 *
 * @publicApi
 */
@Global()
@Module({})
export class AccessModule {
  static forRoot({ authenticator = CONFIGURED, imports = [] }: AccessModuleOptions = {}): DynamicModule {
    return {
      module: AccessModule,
      imports,
      providers: [AccessGuard, providePort(Authenticator, authenticator)],
      exports: [Authenticator],
    };
  }
}

const CONFIGURED: Implementation<Authenticator> = {
  useFactory: ({ tokenFile }: ServiceConfig) => {
    if (tokenFile === undefined) return new OpenAuthenticator();
    const logger = new Logger('Access');
    return new TokenAuthenticator(
      new TokenFile(tokenFile, (message, level) =>
        level === 'warn' ? logger.warn(message) : logger.log(message),
      ),
    );
  },
  inject: [ServiceConfig],
};
