import { readFileSync } from 'node:fs';
import * as http from 'node:http';
import * as https from 'node:https';
import { isIP } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { readBody } from '../../shared/http/read-body.js';
import { serverSentEvents, type ServerSentEvent } from '../../shared/http/server-sent-events.js';
import { printable } from '../../shared/printable.js';
import { endpointText } from '../../shared/protocol/tcp-endpoint.js';
import { NODE_HEADER, TIME_HEADER } from '../http/node-headers.js';
import type { NodeSocketRequest } from './node-socket.js';

/** Where the service of a node listens. */
export interface NodeEndpoint {
  /** An IP address without brackets, or a host name. */
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  /** The name that the certificate must have, if it is not `host`. */
  readonly serverName?: string;
}

/** What a gateway shows to nodes, and what it believes them by. */
export interface NodeCredentials {
  /** The bearer token now; undefined: none. */
  readonly token: () => string | undefined;
  /** Authorities whose certificates are trusted, PEM; undefined: those of Node.js. */
  readonly authorities?: Buffer | undefined;
}

/** @throws Error that names the option when the file cannot be read */
export function readAuthorities(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new Error(`--node-ca-file: ${(cause as Error).message}`, { cause });
  }
}

/** By how much a clock is ahead of this one, in ms, give or take the error. */
export interface ClockReading {
  readonly aheadMs: number;
  readonly errorMs: number;
}

/** What a node says about itself. */
export interface NodeFacts {
  /** As it calls itself; undefined: it does not say, or what it says cannot be a name. */
  readonly name?: string;
  /** Absent: it does not say. */
  readonly clock?: ClockReading;
}

/** A quiet node sends heartbeats more often. */
const EVENTS_IDLE_MS = 40_000;
const ANSWER_TIMEOUT_MS = 2_500;
const MAX_ANSWER_BYTES = 64 * 1024;
/** Of Date.now() on both sides. */
const CLOCK_RESOLUTION_MS = 1;
/** Limits how fast the events of one node are read, so that they do not keep the gateway from the others. */
const PACE_BYTES = 512 * 1024;
const PACE_MS = 100;
const NODE_NAME = /^[\w.:-]{1,253}$/;
const MAX_REASON_CHARACTERS = 256;

/** A node did not answer, or not as it should. The message is for users. */
export class NodeError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'NodeError';
  }
}

/** Sends requests to the service of one node. */
export class NodeClient {
  private readonly agent: http.Agent;
  private answeredFrom?: string | undefined;

  constructor(
    readonly endpoint: NodeEndpoint,
    private readonly credentials: NodeCredentials,
  ) {
    const options = { keepAlive: true, maxSockets: 8, ...this.tlsOptions() };
    this.agent = endpoint.tls ? new https.Agent(options) : new http.Agent(options);
  }

  /** Host and port, as in URLs. */
  get address(): string {
    const { host, port } = this.endpoint;
    return endpointText({ address: host, port });
  }

  /** IP address of the node; undefined: it is known by a host name and has not answered yet. */
  get ipAddress(): string | undefined {
    return isIP(this.endpoint.host) === 0 ? this.answeredFrom : this.endpoint.host;
  }

  close(): void {
    this.agent.destroy();
  }

  /** @throws NodeError */
  async facts(signal: AbortSignal): Promise<NodeFacts> {
    const sentAtMs = Date.now();
    const { headers } = await this.document('/version', signal);
    const roundTripMs = Date.now() - sentAtMs;
    const { [NODE_HEADER]: name, [TIME_HEADER]: time } = headers;
    const aheadMs = Number(time) - (sentAtMs + roundTripMs / 2);
    return {
      ...(typeof name === 'string' && NODE_NAME.test(name) && { name }),
      ...(typeof time === 'string' &&
        Number.isFinite(aheadMs) && { clock: { aheadMs, errorMs: roundTripMs / 2 + CLOCK_RESOLUTION_MS } }),
    };
  }

  /** @returns the answer of `GET /filter`, which is not trusted @throws NodeError */
  async checkFilter(filter: string, signal: AbortSignal): Promise<unknown> {
    const { body } = await this.document(`/filter?filter=${encodeURIComponent(filter)}`, signal);
    try {
      return JSON.parse(body) as unknown;
    } catch (cause) {
      throw new NodeError('its answer is not JSON', { cause });
    }
  }

  /** The events of `GET /targets`, until the node or the signal ends them. @throws NodeError */
  async *targetEvents(signal: AbortSignal): AsyncGenerator<ServerSentEvent, void> {
    const response = await this.respond('/targets', 'text/event-stream', signal);
    response.socket.setTimeout(EVENTS_IDLE_MS, () => response.destroy(new Error('it sends nothing')));
    try {
      yield* serverSentEvents(paced(response as AsyncIterable<Buffer>));
    } catch (error) {
      throw asNodeError(error);
    } finally {
      response.destroy();
    }
  }

  /** What to request for a capture. */
  captureRequest(parameters: URLSearchParams): NodeSocketRequest {
    const { host, port, tls } = this.endpoint;
    return {
      host,
      port,
      ...(tls && { tls: this.tlsOptions() }),
      path: `/capture?${parameters.toString()}`,
      headers: { Host: this.address, ...this.headers() },
    };
  }

  private headers(): Record<string, string> {
    const token = this.credentials.token();
    return token === undefined ? {} : { Authorization: `Bearer ${token}` };
  }

  private tlsOptions(): { ca?: Buffer; servername?: string } {
    const { tls, host, serverName = host } = this.endpoint;
    const { authorities } = this.credentials;
    if (!tls) return {};
    // RFC 6066, section 3: a server name is never an address. The certificate is checked against the address then.
    return {
      ...(authorities && { ca: authorities }),
      ...(isIP(serverName) === 0 && { servername: serverName }),
    };
  }

  private async document(
    path: string,
    signal: AbortSignal,
  ): Promise<{ headers: http.IncomingHttpHeaders; body: string }> {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_TIMEOUT_MS)]);
    const response = await this.respond(path, 'application/json', limit);
    try {
      const body = await readBody(response, MAX_ANSWER_BYTES, () => new NodeError('its answer is too long'));
      return { headers: response.headers, body };
    } catch (error) {
      throw asNodeError(error);
    } finally {
      response.destroy();
    }
  }

  /** @throws NodeError also when the status is not 200 */
  private async respond(path: string, accept: string, signal: AbortSignal): Promise<http.IncomingMessage> {
    const { host, port, tls } = this.endpoint;
    const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
    const timer = setTimeout(
      () => request.destroy(new Error(`no answer within ${ANSWER_TIMEOUT_MS / 1000} s`)),
      ANSWER_TIMEOUT_MS,
    );
    const request = (tls ? https : http)
      .request({ host, port, path, agent: this.agent, signal, headers: { ...this.headers(), accept } })
      .on('response', resolve)
      // Never removed: Node may emit an error after the response, too.
      .on('error', reject)
      .end();
    let response;
    try {
      response = await promise;
    } catch (error) {
      throw asNodeError(error);
    } finally {
      clearTimeout(timer);
    }
    this.answeredFrom = response.socket.remoteAddress ?? this.answeredFrom;
    if (response.statusCode === 200) return response;
    response.destroy();
    throw new NodeError(statusMessage(response.statusCode));
  }
}

async function* paced(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void> {
  let sinceMs = performance.now();
  let bytes = 0;
  for await (const chunk of chunks) {
    yield chunk;
    bytes += chunk.length;
    if (bytes < PACE_BYTES) continue;
    await sleep(Math.max(0, sinceMs + PACE_MS - performance.now()));
    sinceMs = performance.now();
    bytes = 0;
  }
}

/** What it means when a node answers with that status. */
export function statusMessage(status: number | undefined): string {
  return status === 401 || status === 403
    ? `it refuses this gateway (HTTP status ${status}): --token-file must have the same token on both`
    : `it answers with HTTP status ${status}`;
}

/** An error of Node.js in the words of a user. */
export function asNodeError(error: unknown): NodeError {
  if (error instanceof NodeError) return error;
  const { name, message, code, cause } = error as NodeJS.ErrnoException;
  // Where several signals are combined, it is the cause of an AbortError.
  if ([name, (cause as Error | undefined)?.name].includes('TimeoutError'))
    return new NodeError(`no answer within ${ANSWER_TIMEOUT_MS / 1000} s`);
  const text = code && !message.includes(code) ? `${message} (${code})` : message;
  return new NodeError(printable(text, MAX_REASON_CHARACTERS), { cause: error });
}
