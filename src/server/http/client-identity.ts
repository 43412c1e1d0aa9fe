import { Injectable } from '@nestjs/common';
import type { IncomingMessage } from 'node:http';
import { containedIn } from '../../shared/config/network-list.js';
import { printable } from '../../shared/printable.js';
import { authenticatedUserOf } from '../access/authenticated-user.js';
import { ServiceConfig } from '../config/service.config.js';
import { ticketOf } from './redeemed-ticket.js';

/**
 * Who sent a request, for the log and for what one may do to captures; absent: unknown.
 *
 * @publicApi
 */
export interface Identity {
  readonly user?: string;
  /** Id of the ticket by which the request was made. */
  readonly ticket?: string;
}

const MAX_USER_CHARACTERS = 128;

/** The user of a Kubernetes service account has up to 340. */
const MAX_AUTHENTICATED_USER_CHARACTERS = 512;

/**
 * Tells who sent a request, as far as the Authenticator names the user, or else a proxy that the operator trusts.
 *
 * @publicApi
 */
@Injectable()
export class ClientIdentity {
  private readonly header?: string;
  private readonly isTrusted: (address: string) => boolean;

  constructor({ userHeader, trustedProxies }: ServiceConfig) {
    if (userHeader !== undefined) this.header = userHeader.toLowerCase();
    this.isTrusted = containedIn(trustedProxies);
  }

  /** No proxy asks for a password where there is a ticket: then the user is the one who asked for the ticket. */
  of(request: IncomingMessage): Identity {
    const ticket = ticketOf(request);
    const user = ticket ? ticket.user : this.userOf(request);
    return { ...(user !== undefined && { user }), ...(ticket && { ticket: ticket.id }) };
  }

  /**
   * Whether the sender of a request may do something to what belongs to a user. Where the Authenticator or a proxy names the users,
   * only that user may; who reaches the service by another way than through the proxy, or where nothing names users, may do everything.
   */
  mayActFor(owner: string | undefined, request: IncomingMessage): boolean {
    const isNamed = authenticatedUserOf(request) !== undefined || this.isFromProxy(request);
    return !isNamed || this.of(request).user === owner;
  }

  /** A header that comes twice was not set by the proxy alone. */
  private userOf(request: IncomingMessage): string | undefined {
    const authenticated = authenticatedUserOf(request);
    if (authenticated) return printable(authenticated.name, MAX_AUTHENTICATED_USER_CHARACTERS);
    const { header } = this;
    if (header === undefined || !this.isFromProxy(request)) return undefined;
    const [value, ...others] = request.headersDistinct[header] ?? [];
    if (!value || others.length > 0) return undefined;
    return printable(Buffer.from(value, 'latin1').toString('utf8'), MAX_USER_CHARACTERS);
  }

  private isFromProxy({ socket }: IncomingMessage): boolean {
    return this.header !== undefined && this.isTrusted(socket.remoteAddress ?? '');
  }
}
