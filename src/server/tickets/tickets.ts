import { randomBytes } from 'node:crypto';
import { CaptureError } from '../../shared/protocol/capture-error.js';
import { MAX_TEXT_BYTES, openSealed, sealText } from './sealed-text.js';
import type { AuthenticatedUser } from '../access/authenticated-user.js';
import type { TicketParameters } from './ticket-request.js';

/**
 * Longest ticket, in characters: enough for a container with 1,000 interfaces. The page hands it to Wireshark on a command line,
 * which on Windows has 32,767 characters.
 */
export const MAX_TICKET_LENGTH = 16 * 1024;

const ID_BYTES = 4;

/** What a ticket says. */
export interface Ticket {
  /** Names the ticket in the log, where the ticket itself must not be. */
  readonly id: string;
  readonly parameters: TicketParameters;
  /** In milliseconds since 1970. */
  readonly expires: number;
  /** Who asked for it; absent: unknown. */
  readonly user?: string | undefined;
  /** The same, if the service has asked: with all that decides what may be captured. */
  readonly authenticated?: AuthenticatedUser | undefined;
}

export type TicketProblem = 'ticket-expired' | 'ticket-invalid';

/**
 * Makes and checks tickets. A ticket holds everything that it says, so all services with the same key accept it and none of them
 * keeps anything.
 */
export class Tickets {
  constructor(private readonly key: Buffer) {}

  /** @throws CaptureError `invalid-request` when the parameters are too long for a ticket */
  issue(
    parameters: TicketParameters,
    lifetimeSeconds: number,
    user: string | undefined,
    authenticated?: AuthenticatedUser,
  ): Ticket & { text: string } {
    const id = randomBytes(ID_BYTES).toString('hex');
    const expires = Date.now() + lifetimeSeconds * 1000;
    const ticket: Ticket = { id, parameters, expires, user, authenticated };
    const content = JSON.stringify(ticket);
    const text = sealText(content, this.key);
    if (text.length > MAX_TICKET_LENGTH || Buffer.byteLength(content) > MAX_TEXT_BYTES) {
      throw new CaptureError(
        'invalid-request',
        `these parameters are too long for a ticket of at most ${MAX_TICKET_LENGTH} characters. Name fewer interfaces`,
      );
    }
    return { ...ticket, text };
  }

  redeem(text: string): Ticket | TicketProblem {
    if (text.length > MAX_TICKET_LENGTH) return 'ticket-invalid';
    const json = openSealed(text, this.key);
    if (json === undefined) return 'ticket-invalid';
    const ticket = JSON.parse(json) as Ticket; // of our own: the signature is valid
    return ticket.expires > Date.now() ? ticket : 'ticket-expired';
  }
}
