import { originForm } from './request-target.js';

/** All tickets are longer than this: they have a signature and JSON. */
const MIN_TICKET_LENGTH = 40;

/** Some servers decode a path twice. */
const DECODINGS = 3;

/** A path below `/t/`. */
export interface TicketPath {
  readonly ticket: string;
  /** What follows the ticket and its slash. */
  readonly rest: string;
}

/**
 * Where the path of a request begins with `/t/`, its parts. `misplaced`: it names a ticket in another way, such as `//t/`, `/%74/`
 * or `/discover/t/`; it must not be passed on.
 */
export function ticketPathOf(target: string): TicketPath | 'misplaced' | undefined {
  // Up to a fragment at most, which a request cannot have, and which other servers could take for a part of the path.
  const path = originForm(target)?.split('?', 1)[0];
  if (path === undefined) return undefined;
  const [, ticket, rest = ''] = /^\/t\/([^/]*)(?:\/(.*))?$/s.exec(path) ?? [];
  if (ticket !== undefined) return { ticket, rest };
  return namesTicket(path) ? 'misplaced' : undefined;
}

/** Whether any server could take a part of the path for a ticket. */
function namesTicket(path: string): boolean {
  const segments = decoded(path)
    .split(/[/\\]+/)
    .filter((segment) => segment !== '' && segment !== '.');
  return segments.some(
    (segment, index) =>
      segment.toLowerCase() === 't' &&
      (index === 0 || (segments[index + 1]?.length ?? 0) >= MIN_TICKET_LENGTH),
  );
}

function decoded(path: string): string {
  let text = path;
  for (let count = 0; count < DECODINGS && text.includes('%'); count++) {
    text = text.replace(/%([\da-f]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  }
  return text;
}
