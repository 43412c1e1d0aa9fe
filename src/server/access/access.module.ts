import { Global, Logger, Module } from '@nestjs/common';
import type { DynamicModule, FactoryProvider, ModuleMetadata } from '@nestjs/common';
import { ServerEnvironment } from '../../shared/supervisor-link/supervisor-link.js';
import { TokenFile, type TokenFileLog } from '../../shared/token-file.js';
import { ServiceConfig } from '../config/service.config.js';
import { providePort, type Implementation } from '../provide-port.js';
import { KubernetesApi } from '../kubernetes/kubernetes-api.js';
import { KubernetesAuthenticator } from '../kubernetes/kubernetes-authenticator.js';
import { KubernetesCaptureAccess } from '../kubernetes/kubernetes-capture-access.js';
import { AccessGuard } from './access-guard.js';
import { Authenticator, OpenAuthenticator } from './authenticator.js';
import { CaptureAccess, UnrestrictedAccess } from './capture-access.js';
import { TokenAuthenticator } from './token-authenticator.js';

/** @publicApi */
export interface AccessModuleOptions {
  /** Decides who may use the service. Default: clients with the token of `--token-file`; all clients if that option is not set. */
  readonly authenticator?: Implementation<Authenticator>;
  /** Modules that export what `authenticator` injects. */
  readonly imports?: ModuleMetadata['imports'];
}

/**
 * Who may use the service: asks the `Authenticator` before every route and before the upgrade of websockets. Provides
 * `TokenFile`, undefined without `--token-file`, `CaptureAccess`, which says who may capture what, and `KubernetesApi`, undefined
 * outside of Kubernetes. Needs `OptionsModule` and `OperationsModule`.
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
      providers: [
        AccessGuard,
        CONFIGURED_TOKEN_FILE,
        KUBERNETES_API,
        providePort(Authenticator, authenticator),
        providePort(CaptureAccess, CONFIGURED_ACCESS),
      ],
      exports: [Authenticator, CaptureAccess, KubernetesApi, TokenFile],
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
  useFactory: ({ authorize }: ServiceConfig, kubernetes: KubernetesApi, file: TokenFile | undefined) => {
    // A gateway has the token of the file for its nodes then.
    if (authorize === 'kubernetes') return new KubernetesAuthenticator(kubernetes);
    return file ? new TokenAuthenticator(file) : new OpenAuthenticator();
  },
  inject: [ServiceConfig, KubernetesApi, TokenFile],
};

const CONFIGURED_ACCESS: Implementation<CaptureAccess> = {
  useFactory: ({ authorize }: ServiceConfig, kubernetes: KubernetesApi) =>
    authorize === 'kubernetes' ? new KubernetesCaptureAccess(kubernetes) : new UnrestrictedAccess(),
  inject: [ServiceConfig, KubernetesApi],
};

/** Undefined outside of Kubernetes. */
const KUBERNETES_API: FactoryProvider<KubernetesApi | undefined> = {
  provide: KubernetesApi,
  useFactory: ({ kubernetes }: ServerEnvironment) => kubernetes && new KubernetesApi(kubernetes),
  inject: [ServerEnvironment],
};
