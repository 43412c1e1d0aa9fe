/** What is known about a request that was made with a ticket, whose target and headers are those of the ticket by then. */
export interface RedeemedTicket {
  /** Names the ticket in the log; of no use to anybody else. */
  readonly id: string;
  /** Who asked for the ticket. */
  readonly user?: string | undefined;
  /** Whether the request had `Clustershark-Container`, which is removed; see `hasContainerHeader`. */
  readonly hadContainerHeader: boolean;
}

const redeemed = new WeakMap<object, RedeemedTicket>();

export function rememberTicket(request: object, ticket: RedeemedTicket): void {
  redeemed.set(request, ticket);
}

/** Undefined: the request was made without a ticket. */
export function ticketOf(request: object): RedeemedTicket | undefined {
  return redeemed.get(request);
}
