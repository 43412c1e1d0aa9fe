import { request } from 'node:http';

/** Where an HTTP server is. */
export type HttpAddress = { readonly host: string; readonly port: number } | { readonly socketPath: string };

/** Less than the one second that Kubernetes waits for a probe unless told. */
const TIMEOUT_MS = 800;

/**
 * Asks a server for as little as possible, to see whether it is there and does not hang.
 *
 * @returns undefined when it answers, whatever that is, else the rest of a sentence that begins with its name
 */
export function whyNoAnswer(address: HttpAddress, timeoutMs = TIMEOUT_MS): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const signal = AbortSignal.timeout(timeoutMs);
  request({ ...address, method: 'HEAD', path: '/', agent: false, signal })
    .on('response', (response) => {
      resolve(undefined);
      response.destroy();
    })
    // Stays for good: a reset may come after the response, too.
    .on('error', ({ code }: NodeJS.ErrnoException) =>
      resolve(signal.aborted ? `does not answer within ${timeoutMs} ms` : `cannot be reached (${code})`),
    )
    .end();
  return promise;
}
