import { Global, Logger, Module } from '@nestjs/common';
import type { DynamicModule, FactoryProvider, ModuleMetadata } from '@nestjs/common';
import { TokenFile, type TokenFileLog } from '../../shared/token-file.js';
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
 * Who may use the service: asks the `Authenticator` before every route and before the upgrade of websockets. Provides
 * `TokenFile`, undefined without `--token-file`. Needs `OptionsModule`
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
      providers: [AccessGuard, CONFIGURED_TOKEN_FILE, providePort(Authenticator, authenticator)],
      exports: [Authenticator, TokenFile],
    };
  }
}

/** Undefined without the option. */
const CONFIGURED_TOKEN_FILE: FactoryProvider<TokenFile | undefined> = {
  provide: TokenFile,
  useFactory: ({ tokenFile }: ServiceConfig) => {
    const logger = new Logger('Access');
    const log: TokenFileLog = (message, level) =>
      level === 'warn' ? logger.warn(message) : logger.log(message);
    return tokenFile === undefined ? undefined : new TokenFile(tokenFile, log);
  },
  inject: [ServiceConfig],
};

const CONFIGURED: Implementation<Authenticator> = {
  useFactory: (file: TokenFile | undefined) =>
    file ? new TokenAuthenticator(file) : new OpenAuthenticator(),
  inject: [TokenFile],
};
