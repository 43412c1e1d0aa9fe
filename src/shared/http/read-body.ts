import type { IncomingMessage } from 'node:http';

/**
 * Reads the body of a response, decoded as UTF-8.
 *
 * @param tooLong makes the error to throw if the body is longer than `maxBytes`, which closes the connection
 * @throws also the error of a connection that breaks
 */
export async function readBody(
  response: IncomingMessage,
  maxBytes: number,
  tooLong: () => Error,
): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  // Leaving the loop before the end destroys the response.
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw tooLong();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, bytes).toString('utf8');
}
