import { All, Controller, Header, Logger, Optional, Post, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import { CaptureError } from '../../shared/protocol/capture-error.js';
import { authenticatedUserOf } from '../access/authenticated-user.js';
import { CaptureOpener } from '../capture/capture-opener.js';
import { httpStatus } from '../capture/close-codes.js';
import { clientOf } from '../http/client-address.js';
import { httpRefusal, refuseMethod } from '../http/http-refusal.js';
import { ClientIdentity } from '../http/client-identity.js';
import { readJsonText } from './request-body.js';
import { parseTicketRequest } from './ticket-request.js';
import { Tickets } from './tickets.js';

const MAX_BODY_BYTES = 64 * 1024;
const CHECK_TIMEOUT_MS = 20_000;

/** What a client gets for a ticket. */
interface IssuedTicket {
  readonly ticket: string;
  /** Relative to the address of the service, whatever prefix a proxy adds. */
  readonly path: string;
  /** ISO 8601. */
  readonly expires: string;
}

/** Issues tickets to those whom the proxy in front of this service lets in. */
@Controller('tickets')
export class TicketsController {
  private readonly log = new Logger('Tickets');

  constructor(
    private readonly tickets: Tickets,
    private readonly identity: ClientIdentity,
    @Optional() private readonly opener?: CaptureOpener,
  ) {}

  @Post()
  @Header('Cache-Control', 'no-store')
  async issue(@Req() request: Request): Promise<IssuedTicket> {
    const body = await readJsonText(request, MAX_BODY_BYTES);
    try {
      return await this.issueFor(body, request);
    } catch (error) {
      if (!(error instanceof CaptureError)) throw error;
      throw httpRefusal(httpStatus(error.code), error.code, error.message);
    }
  }

  @All()
  refuse(@Res() response: Response): void {
    refuseMethod(response, 'POST');
  }

  private async issueFor(body: string, request: Request): Promise<IssuedTicket> {
    const { parameters, lifetimeSeconds, capture } = parseTicketRequest(body);
    const authenticated = authenticatedUserOf(request);
    // It is checked again when the ticket is used.
    await this.opener?.check(capture, authenticated, AbortSignal.timeout(CHECK_TIMEOUT_MS));
    const { user } = this.identity.of(request);
    const { id, text, expires } = this.tickets.issue(parameters, lifetimeSeconds, user, authenticated);
    const expiry = new Date(expires).toISOString();
    const { name, netns } = capture.target;
    const facts = {
      ticket: id,
      target: name,
      netns,
      expires: expiry,
      user,
      client: clientOf(request.socket),
    };
    this.log.log({ message: 'ticket issued', ...facts });
    return { ticket: text, path: `/t/${text}/capture`, expires: expiry };
  }
}
