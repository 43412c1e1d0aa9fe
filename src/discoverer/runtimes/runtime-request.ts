import type { Agent } from 'node:http';
import { DocumentError, getDocument, type HttpDocument } from '../../shared/http/get-document.js';

/** 10,000 containers with long labels are 20 MB. */
const MAX_BODY_BYTES = 64 * 1024 * 1024;

/** An engine's answer is none that we can use; the message completes "the engine ...". */
export class EngineError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'EngineError';
  }
}

/**
 * Asks an engine's programming interface, which is HTTP over a unix socket.
 *
 * @throws EngineError, or the signal's reason
 */
export async function getFromEngine(
  socketPath: string,
  path: string,
  signal: AbortSignal,
  agent?: Agent,
): Promise<HttpDocument> {
  try {
    const address = { socketPath };
    return await getDocument({
      address,
      path,
      maxBodyBytes: MAX_BODY_BYTES,
      signal,
      ...(agent && { agent }),
    });
  } catch (cause) {
    if (!(cause instanceof DocumentError)) throw cause;
    if (cause.reason === 'aborted') throw cause.cause;
    throw new EngineError(messageOf(cause), { cause });
  }
}

/** The predicate of a sentence about the runtime. */
function messageOf({ reason, status, code = 'unknown error' }: DocumentError): string {
  switch (reason) {
    case 'unreachable':
      if (code === 'EACCES' || code === 'EPERM') return 'denies access';
      return code === 'ECONNREFUSED' || code === 'ENOENT' ? 'does not run' : `cannot be reached (${code})`;
    case 'status':
      return `answered with HTTP status ${status}`;
    case 'too-large':
      return `sent more than ${MAX_BODY_BYTES / 1024 / 1024} MiB`;
    case 'broken':
      return `broke off its answer, or did not speak HTTP (${code})`;
    case 'timeout':
      return 'did not answer in time';
    case 'aborted':
      return 'was not asked to the end';
    default:
      return reason satisfies never;
  }
}
