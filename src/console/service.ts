import { accessProblem, authorization, refuseToken, token } from './access.js';
import { visibleText } from './visible-text.js';

/**
 * The URL of a path of the service, with parameters in the query. The page is at `console/`, and a proxy may have a path
 * prefix before that, so all paths are relative to the page.
 */
export function serviceUrl(path: string, parameters: Readonly<Record<string, string>> = {}): URL {
  const url = new URL(`../${path}`, document.baseURI);
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return url;
}

/** The same for a websocket. */
export function websocketUrl(path: string, parameters: Readonly<Record<string, string>> = {}): URL {
  const url = serviceUrl(path, parameters);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return url;
}

/** The service has refused a request, or could not be reached. The message is a sentence or two for the user. */
export class ServiceFailure extends Error {
  /**
   * @param status the HTTP status; 0: there was no answer
   * @param wantsToken whether the request needs a token, or another one
   */
  constructor(
    readonly status: number,
    message: string,
    readonly wantsToken = false,
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
  const problem = accessProblem.peek();
  if (problem !== '') throw new ServiceFailure(401, problem);
  const sent = token.peek();
  try {
    return await askWith(sent, url, init);
  } catch (error) {
    if (!(error instanceof ServiceFailure) || !error.wantsToken) throw error;
    refuseToken(sent);
    throw new ServiceFailure(401, accessProblem.peek());
  }
}

/**
 * Sends a request with this token, whatever is known about the access of the page.
 *
 * @throws ServiceFailure unless it succeeds; the reason of the signal
 */
export async function askWith(withToken: string, url: URL, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, { ...init, headers: { ...init.headers, ...authorization(withToken) } });
  } catch {
    init.signal?.throwIfAborted();
    throw new ServiceFailure(0, 'The service does not answer. Is it running, and is the network up?');
  }
  if (response.ok) return response;
  const wantsToken =
    response.status === 401 && /^bearer\b/i.test(response.headers.get('WWW-Authenticate') ?? '');
  throw new ServiceFailure(
    response.status,
    explanationOf(response.status, await messageOf(response)),
    wantsToken,
  );
}

/**
 * Sends a request, and parses the answer as JSON.
 *
 * @throws ServiceFailure unless it succeeds, also when the body is not JSON; the reason of the signal
 */
export async function askJson<T>(url: URL, init: RequestInit = {}): Promise<T> {
  const response = await ask(url, init);
  try {
    return (await response.json()) as T;
  } catch {
    // SyntaxError: a proxy has answered with its login page; TypeError: the connection was lost within the body
    init.signal?.throwIfAborted();
    throw new ServiceFailure(
      response.status,
      'The answer of the service cannot be read. If this continues, reload the page: you may have to log in again.',
    );
  }
}

/** What a status means for the user, and what to do about it. */
export function explanationOf(status: number, message: string): string {
  const withMessage = (meaning: string): string =>
    message === '' ? `${meaning}.` : `${meaning}: ${message.replace(/\.?$/, '.')}`;
  switch (status) {
    case 401:
      return 'You are not logged in any more. Reload the page to log in again.';
    case 403:
      return `${withMessage('The service refuses this')}${message === '' ? ' Ask its operator whether you may use it.' : ''}`;
    case 404:
      return withMessage('The service does not know this');
    case 429:
      return `${withMessage('The service is busy')} Wait a little and try again.`;
    case 501:
      return withMessage('The service does not offer this');
    case 502:
    case 503:
    case 504:
      return `${withMessage('The service is not available at present')} Try again. If this continues, look at its log.`;
    default:
      return status >= 500
        ? `${withMessage(`The service has failed with status ${status}`)} Its log says more.`
        : withMessage(
            message === '' ? `The service answers with status ${status}` : 'The service does not accept this',
          );
  }
}

/** The message in the service's JSON; empty where a proxy has answered. */
async function messageOf(response: Response): Promise<string> {
  try {
    const { message } = (await response.json()) as { message?: unknown };
    return typeof message === 'string' ? visibleText(message, MAX_MESSAGE_CHARACTERS) : '';
  } catch {
    return ''; // SyntaxError: a proxy has answered with a page
  }
}
