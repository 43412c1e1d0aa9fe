import { Injectable, Logger } from '@nestjs/common';
import type { OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { rememberAuthenticatedUser } from '../access/authenticated-user.js';
import { clientOf } from '../http/client-address.js';
import { HttpAdapter, type Passage } from '../http/http-adapter.js';
import { rememberTicket } from '../http/redeemed-ticket.js';
import { removeHeaders } from '../http/remove-headers.js';
import { ticketPathOf } from '../http/ticket-path.js';
import { listedTarget } from './ticket-target.js';
import { Tickets, type Ticket, type TicketProblem } from './tickets.js';

/** What a ticket is good for, besides `LIST`. */
const PATHS: ReadonlySet<string> = new Set(['capture', 'discover/capture', 'capture.pcapng', 'version']);
const LIST = 'discover/mobyshark';

const METHODS = ['GET', 'HEAD'];

/** The headers of a capture begin like this. */
const CAPTURE_HEADER = /^clustershark-/;
const CONTAINER_HEADER = 'clustershark-container';

const MESSAGES: Readonly<Record<TicketProblem, string>> = {
  'ticket-expired': 'The ticket has expired. Ask for a new one.',
  'ticket-invalid': 'This is not a ticket of this service.',
};

/** Lets those in who have a ticket: `/t/<ticket>/...` becomes the path that follows, with the parameters of the ticket. */
@Injectable()
export class TicketGate implements OnModuleInit {
  private readonly log = new Logger('Tickets');

  constructor(
    private readonly tickets: Tickets,
    private readonly adapterHost: HttpAdapterHost,
  ) {}

  onModuleInit(): void {
    const adapter: unknown = this.adapterHost.httpAdapter;
    if (!(adapter instanceof HttpAdapter)) throw new Error('tickets require HttpAdapter');
    adapter.setGate((request) => this.admit(request));
  }

  private admit(request: IncomingMessage): Passage | undefined {
    const path = ticketPathOf(request.url ?? '');
    if (path === undefined) return undefined;
    if (path === 'misplaced') return refusal(404, 'not-found', 'There is no such path.');
    const ticket = this.tickets.redeem(path.ticket);
    if (typeof ticket === 'string') return this.refuse(ticket, request);
    const isList = path.rest === LIST;
    if (!isList && !PATHS.has(path.rest)) {
      return refusal(404, 'not-found', 'There is no such path for tickets.');
    }
    if (!METHODS.includes(request.method ?? '')) {
      return refusal(405, 'method-not-allowed', 'Tickets are for GET.', { Allow: METHODS.join(', ') });
    }
    if (isList) return { answer: (response) => answer(response, 200, listedTarget(ticket.parameters)) };
    const query = new URLSearchParams(ticket.parameters).toString();
    const target = path.rest === 'version' ? '/version' : `/${path.rest}?${query}`;
    return { target, enter: () => enter(request, target, ticket) };
  }

  private refuse(problem: TicketProblem, request: IncomingMessage): Passage {
    const { answer: refuse } = refusal(403, problem, MESSAGES[problem]);
    return {
      answer: (response) => {
        this.log.warn({ message: `refused a ticket: ${problem}`, client: clientOf(request.socket) });
        refuse(response);
      },
    };
  }
}

function refusal(
  statusCode: number,
  code: string,
  message: string,
  headers: OutgoingHttpHeaders = {},
): { answer: (response: ServerResponse) => void } {
  return {
    answer: (response) =>
      answer(response, statusCode, { statusCode, code, message }, { ...headers, Connection: 'close' }),
  };
}

function answer(
  response: ServerResponse,
  statusCode: number,
  body: object,
  headers: OutgoingHttpHeaders = {},
): void {
  const type = { 'Content-Type': 'application/json; charset=utf-8', 'Cache-Control': 'no-store' };
  response.writeHead(statusCode, { ...type, ...headers }).end(JSON.stringify(body));
}

/** From here on, the request is one for the ticket's capture. Nothing that the client said about it is left. */
function enter(request: IncomingMessage, target: string, { id, user, authenticated }: Ticket): void {
  const hadContainerHeader = request.headersDistinct[CONTAINER_HEADER] !== undefined;
  rememberTicket(request, { id, user, hadContainerHeader });
  if (authenticated) rememberAuthenticatedUser(request, authenticated);
  request.url = target;
  removeHeaders(request, (name) => CAPTURE_HEADER.test(name));
}
