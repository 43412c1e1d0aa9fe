import type { IncomingMessage, ServerResponse } from 'node:http';
import { forwardedTrailers, returnedHeaders } from './forwarded-headers.js';

const NOTHING = Buffer.alloc(0);

/**
 * Passes an answer of GhostWire on as it comes: headers at once, for event streams that are quiet at first, then body
 * and trailers, no faster than the client takes them. How either side's end ends the other is httpxy's part.
 *
 * @throws what Node's server says to a status that must not travel; nothing has been sent then
 */
export function passAnswer(
  answer: IncomingMessage,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const status = answer.statusCode ?? 0;
  response.writeHead(
    status,
    answer.statusMessage,
    returnedHeaders(answer, hasTrailers(answer, request, status)),
  );
  // Sends the headers as the bytes that they came as; `flushHeaders` would make UTF-8 of them.
  response.write(NOTHING);
  // Before `pipe` listens: it ends the response, and trailers must be there by then.
  answer.once('end', () => response.addTrailers(forwardedTrailers(answer)));
  answer.pipe(response);
}

/** Whether the answer goes on in chunks, after which trailers may come. */
function hasTrailers(answer: IncomingMessage, request: IncomingMessage, status: number): boolean {
  const hasBody = request.method !== 'HEAD' && status !== 204 && status !== 304;
  const chunked = answer.headers['transfer-encoding'] !== undefined && request.httpVersion === '1.1';
  return hasBody && chunked;
}
