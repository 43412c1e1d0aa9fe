import type { CaptureParameters } from './capture-parameters.js';

export type { CaptureParameters };

/**
 * The URL of a path of the service. The page is at `console/`, and a proxy may have a path prefix before that, so all
 * paths are relative to the page.
 */
export function serviceUrl(path: string, parameters: CaptureParameters = {}): URL {
  const url = new URL(`../${path}`, document.baseURI);
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return url;
}

/** The same for a websocket. */
export function websocketUrl(path: string, parameters: CaptureParameters = {}): URL {
  const url = serviceUrl(path, parameters);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return url;
}
