import { visibleText } from './visible-text.js';

/** The service has refused a request, or could not be reached. The message is a sentence or two for the user. */
export class ServiceFailure extends Error {
  /** @param status of HTTP; 0: there was no answer */
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
    this.name = 'ServiceFailure';
  }
}

const MAX_MESSAGE_CHARACTERS = 400;

/**
 * Sends a request.
 *
 * @throws ServiceFailure unless it succeeds; the reason of the signal
 */
export async function ask(url: URL, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, init);
  } catch {
    init.signal?.throwIfAborted();
    throw new ServiceFailure(0, 'The service does not answer. Is it running, and is the network up?');
  }
  if (response.ok) return response;
  throw new ServiceFailure(response.status, explanationOf(response.status, await messageOf(response)));
}

/** What a status means for the user, and what to do about it. */
export function explanationOf(status: number, message: string): string {
  const said =
    message === '' ? '' : ` ${message.charAt(0).toUpperCase()}${message.slice(1).replace(/\.?$/, '.')}`;
  switch (status) {
    case 401:
      return 'You are not logged in any more. Reload the page to log in again.';
    case 403:
      return `The service refuses this.${said || ' Ask its operator whether you may use it.'}`;
    case 404:
      return `The service does not know this.${said}`;
    case 429:
      return `The service is busy.${said} Wait a little and try again.`;
    case 502:
    case 503:
    case 504:
      return `The service is not available at present.${said} Try again; if it stays so, look at its log.`;
    default:
      return status >= 500
        ? `The service has failed with status ${status}.${said} Its log says more.`
        : said.trim() || `The service answers with status ${status}.`;
  }
}

/** Of the service's JSON; empty where something before it has answered. */
async function messageOf(response: Response): Promise<string> {
  try {
    const { message } = (await response.json()) as { message?: unknown };
    return typeof message === 'string' ? visibleText(message, MAX_MESSAGE_CHARACTERS) : '';
  } catch {
    return ''; // SyntaxError: a proxy has answered with a page
  }
}
