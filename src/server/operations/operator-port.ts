import {
  Inject,
  Injectable,
  Logger,
  NotFoundException,
  type CanActivate,
  type ExecutionContext,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { ServiceConfig } from '../config/service.config.js';
import type { ApplicationServer, HttpAdapter } from '../http/http-adapter.js';
import { ListenError } from '../http/listen-error.js';
import { logRequests } from '../http/request-log.js';
import { pathOf } from '../http/request-target.js';

/** Where `/healthz`, `/readyz` and `/metrics` are served. */
export type OperatorAddress =
  | { readonly kind: 'off' }
  /** On the port of the service. */
  | { readonly kind: 'same' }
  /** On a port of their own. Without a host: on the loopback addresses. */
  | { readonly kind: 'own'; readonly port: number; readonly host?: string | undefined };

/** @publicApi */
export interface OperationsModuleOptions {
  readonly operatorAddress: OperatorAddress;
  /** For a port of its own; default: no. */
  readonly logRequests?: boolean;
  readonly logHeaders?: boolean;
}

/** Injection token of `OperationsModuleOptions`. */
export const OPERATIONS_OPTIONS = Symbol('OperationsModuleOptions');

/**
 * The options of the OperationsModule as configured. If the operator port and host are those of the service, the
 * address is that of the service.
 */
export function operationsOptions(config: ServiceConfig): OperationsModuleOptions {
  const { operatorPort, operatorHost, port, host, logRequests, logHeaders } = config;
  if (operatorPort === 'off' || operatorPort === 'same') return { operatorAddress: { kind: operatorPort } };
  const own = { port: Number(operatorPort), host: operatorHost ?? host };
  const isSame = own.port === port && port !== 0 && own.host === host;
  return { operatorAddress: isSame ? { kind: 'same' } : { kind: 'own', ...own }, logRequests, logHeaders };
}

/** As Express matches them: in any case, with or without a slash at the end. */
const OPERATOR_PATH = /^\/(healthz|readyz|metrics)\/?$/i;

const OPTIONS = {
  port: '--operator-port or PACKETFLIX_OPERATOR_PORT',
  host: '--operator-host or PACKETFLIX_OPERATOR_HOST',
};

/**
 * The port of the paths for operators. If it is a port of its own, it is a second server of the same application, which
 * handles nothing but these paths. It listens before the service does and until the last capture has ended.
 */
@Injectable()
export class OperatorPort implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger('Operator');
  private readonly sockets = new WeakSet<Socket>();
  private server?: ApplicationServer;

  constructor(
    @Inject(OPERATIONS_OPTIONS) private readonly options: OperationsModuleOptions,
    private readonly adapterHost: HttpAdapterHost<HttpAdapter>,
  ) {}

  /** Whether a request arrived at the operator port, if that is a port of its own. */
  received({ socket }: IncomingMessage): boolean {
    return this.sockets.has(socket);
  }

  /** Whether this is a path for operators that is not served on the port of the service. */
  isElsewhere(path: string): boolean {
    return this.options.operatorAddress.kind !== 'same' && OPERATOR_PATH.test(path);
  }

  /** Whether a request for one of the paths for operators is to be answered. */
  admits(request: IncomingMessage): boolean {
    return this.options.operatorAddress.kind === 'same' || this.received(request);
  }

  /** @throws ListenError */
  async onApplicationBootstrap(): Promise<void> {
    const { operatorAddress, logRequests: withRequests, logHeaders: withHeaders = false } = this.options;
    if (operatorAddress.kind !== 'own') return;
    const { port, host } = operatorAddress;
    this.server = this.adapterHost.httpAdapter.createServer({
      accepts: ({ url = '' }) => OPERATOR_PATH.test(pathOf(url) ?? ''),
    });
    const { server } = this.server;
    server.on('connection', (socket: Socket) => this.sockets.add(socket));
    if (withRequests || withHeaders) logRequests(server, withHeaders);
    try {
      await this.server.listen(port, host);
    } catch (error) {
      throw new ListenError(error as NodeJS.ErrnoException, { host, port, options: OPTIONS });
    }
    const { address, family, port: boundPort } = server.address() as AddressInfo;
    const shown = family === 'IPv6' ? `[${address}]` : address;
    this.logger.log(`health and metrics are served at http://${shown}:${boundPort}`);
  }

  async onApplicationShutdown(): Promise<void> {
    if (!this.server) return;
    const closed = once(this.server.server, 'close');
    this.server.destroy();
    await closed;
  }
}

/** Admits requests that arrived at the operator port. On other ports the paths for operators do not exist. */
@Injectable()
export class OperatorPortGuard implements CanActivate {
  constructor(private readonly operatorPort: OperatorPort) {}

  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<IncomingMessage>();
    if (this.operatorPort.admits(request)) return true;
    // 404, not the 403 of a refusing guard.
    throw new NotFoundException(`Cannot ${request.method} ${request.url}`);
  }
}
