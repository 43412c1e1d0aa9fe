import type { IncomingMessage } from 'node:http';

/** Removes headers from a request in all three forms in which Node.js has them. @param isRemoved gets the name in lower case */
export function removeHeaders(request: IncomingMessage, isRemoved: (name: string) => boolean): void {
  // Made from the raw headers when it is read first.
  const { headers, headersDistinct } = request;
  request.rawHeaders = request.rawHeaders.filter((_, index, all) => {
    const name = all[index - (index % 2)] ?? '';
    return !isRemoved(name.toLowerCase());
  });
  for (const each of [headers, headersDistinct]) {
    for (const name of Object.keys(each)) if (isRemoved(name)) delete each[name];
  }
}
