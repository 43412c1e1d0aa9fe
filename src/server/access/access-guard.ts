import { Injectable, Logger } from '@nestjs/common';
import type { OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { IncomingMessage } from 'node:http';
import { clientNetwork } from '../../shared/client-network.js';
import { clientOf } from '../http/client-address.js';
import { HttpAdapter } from '../http/http-adapter.js';
import { removeHeaders } from '../http/remove-headers.js';
import { OperatorPort } from '../operations/operator-port.js';
import {
  Authenticator,
  OpenAuthenticator,
  type AccessRefusal,
  type Authentication,
} from './authenticator.js';
import { rememberAuthenticatedUser } from './authenticated-user.js';

/**
 * Paths that everybody may use, where the service has a route for them: the version, probes, and the static files of the page. Only as
 * they are written here and not in any other form of the same path, such as an absolute URL, that another parser could take for
 * another path.
 */
const OPEN_PATH = /^(\/|\/(version|healthz|readyz)\/?|\/console(\/[\w./~-]*)?)$/i;

const TIMEOUT_MS = 10_000;

/** Requests for which the Authenticator has no answer yet. One client may have half of them. */
const MAX_WAITING = 256;

const UNAVAILABLE: AccessRefusal = {
  statusCode: 503,
  code: 'authentication-unavailable',
  message: 'The service cannot tell now whether you may use it. Try again later.',
};
const BUSY: AccessRefusal = {
  statusCode: 503,
  code: 'busy',
  message: 'Too many requests wait for their authentication. Try again later.',
};

/** Asks the Authenticator about each request for a path that is not open, unless it is the one that admits everybody. */
@Injectable()
export class AccessGuard implements OnModuleInit {
  private readonly log = new Logger('Access');
  private readonly waiting = new Map<string, number>();
  private waitingInAll = 0;

  constructor(
    private readonly authenticator: Authenticator,
    private readonly operatorPort: OperatorPort,
    private readonly adapterHost: HttpAdapterHost,
  ) {}

  onModuleInit(): void {
    if (this.authenticator instanceof OpenAuthenticator) return;
    this.adapter.setGuard((request) => (this.isOpen(request) ? undefined : this.check(request)));
  }

  private get adapter(): HttpAdapter {
    const adapter: unknown = this.adapterHost.httpAdapter;
    if (!(adapter instanceof HttpAdapter)) throw new Error('AccessModule requires HttpAdapter');
    return adapter;
  }

  private isOpen({ url = '' }: IncomingMessage): boolean {
    const [path = ''] = url.split(/[?#]/, 1);
    // A path without a route may be forwarded to GhostWire.
    return OPEN_PATH.test(path) && !this.operatorPort.isElsewhere(path) && this.adapter.hasRoute(path);
  }

  private check(request: IncomingMessage): AccessRefusal | undefined | Promise<AccessRefusal | undefined> {
    const client = clientNetwork(request.socket.remoteAddress ?? '');
    const ofClient = this.waiting.get(client) ?? 0;
    if (this.waitingInAll >= MAX_WAITING || ofClient >= MAX_WAITING / 2)
      return this.admit(request, { refusal: BUSY });
    try {
      const answer = this.authenticator.authenticate(request);
      return 'then' in answer ? this.wait(request, answer, client) : this.admit(request, answer);
    } catch (error) {
      this.log.error(error);
      return this.admit(request, { refusal: UNAVAILABLE });
    }
  }

  /** Never rejects. */
  private async wait(
    request: IncomingMessage,
    answer: Promise<Authentication>,
    client: string,
  ): Promise<AccessRefusal | undefined> {
    const timeout = Promise.withResolvers<never>();
    const expire = (): void => timeout.reject(new Error(`no authentication within ${TIMEOUT_MS / 1000} s`));
    const timer = setTimeout(expire, TIMEOUT_MS).unref();
    this.count(client, 1);
    try {
      return this.admit(request, await Promise.race([answer, timeout.promise]));
    } catch (error) {
      this.log.error(error);
      return this.admit(request, { refusal: UNAVAILABLE });
    } finally {
      clearTimeout(timer);
      this.count(client, -1);
    }
  }

  private count(client: string, change: 1 | -1): void {
    this.waitingInAll += change;
    const ofClient = (this.waiting.get(client) ?? 0) + change;
    if (ofClient > 0) this.waiting.set(client, ofClient);
    else this.waiting.delete(client);
  }

  private admit(request: IncomingMessage, authentication: Authentication): AccessRefusal | undefined {
    const { refusal } = authentication;
    if (refusal) {
      this.log.warn({ message: `refused a request: ${refusal.code}`, client: clientOf(request.socket) });
      return refusal;
    }
    if (authentication.user) rememberAuthenticatedUser(request, authentication.user);
    // The token is for this service: GhostWire, to which the request may be forwarded, must not get it.
    removeHeaders(request, (name) => name === 'authorization');
    return undefined;
  }
}
