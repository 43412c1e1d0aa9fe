import { HttpStatus } from '@nestjs/common';
import type { IncomingMessage } from 'node:http';
import { httpRefusal } from '../http/http-refusal.js';

/**
 * Reads a body of JSON as text. The application has no body parser, which would consume the bodies of proxied requests. How long a
 * client may take is limited for all bodies: see `limitConnections`.
 *
 * @throws HttpException 413, 415
 */
export async function readJsonText(request: IncomingMessage, maxBytes: number): Promise<string> {
  const { 'content-type': type = '', 'content-encoding': encoding = 'identity' } = request.headers;
  if (type.split(';', 1)[0]?.trim().toLowerCase() !== 'application/json' || encoding !== 'identity') {
    throw httpRefusal(
      HttpStatus.UNSUPPORTED_MEDIA_TYPE,
      'unsupported-media-type',
      'Content-Type must be application/json, without a Content-Encoding',
    );
  }
  const pieces: Buffer[] = [];
  let bytes = 0;
  try {
    // Destroying the request would destroy the connection, and the client would get no answer.
    for await (const piece of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      bytes += piece.length;
      if (bytes > maxBytes) break;
      pieces.push(piece);
    }
  } catch {
    throw httpRefusal(HttpStatus.BAD_REQUEST, 'invalid-request', 'the body is incomplete'); // the client has gone
  }
  if (bytes <= maxBytes) return Buffer.concat(pieces).toString('utf8');
  throw httpRefusal(
    HttpStatus.PAYLOAD_TOO_LARGE,
    'request-too-large',
    `the body must have at most ${maxBytes} bytes`,
  );
}
