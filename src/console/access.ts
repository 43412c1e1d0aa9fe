import { signal } from '@preact/signals';

/* Whether the service lets this page in, and the token that it sends. */

const STORED = 'packetflix-token';

/** Empty: none. It is kept until the tab is closed, in no other place, and is never part of a URL. */
export const token = signal(stored());
/** Why the page has no access; empty: it has access, or nothing is known yet. No request is sent meanwhile. */
export const accessProblem = signal('');
/** Whether the dialog for the token is shown. */
export const asksForToken = signal(false);

/** @returns the header that carries the token */
export function authorization(ofToken = token.peek()): Readonly<Record<string, string>> {
  return ofToken === '' ? {} : { Authorization: `Bearer ${ofToken}` };
}

/** The service has accepted the token. */
export function acceptToken(accepted: string): void {
  store(accepted);
  token.value = accepted;
  accessProblem.value = '';
  asksForToken.value = false;
}

/** Loads the page again: what it shows was for the owner of the token. */
export function forgetToken(): void {
  store('');
  location.reload();
}

/** The service has refused a request with this token, or without one. */
export function refuseToken(refused: string): void {
  if (refused !== token.peek() || accessProblem.peek() !== '') return;
  accessProblem.value =
    refused === '' ? 'This service asks for a token.' : 'The service does not accept the token any more.';
  asksForToken.value = true;
}

/** Browsers that block the storage of pages, and the tests, have none. */
function stored(): string {
  try {
    return sessionStorage.getItem(STORED) ?? '';
  } catch {
    return ''; // SecurityError, ReferenceError
  }
}

function store(text: string): void {
  try {
    if (text === '') sessionStorage.removeItem(STORED);
    else sessionStorage.setItem(STORED, text);
  } catch {
    // SecurityError: the token is lost when the page is loaded again
  }
}
