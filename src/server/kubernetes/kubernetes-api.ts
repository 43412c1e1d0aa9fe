import { readFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import type { Status } from 'kubernetes-types/meta/v1.js';
import { readBody } from '../../shared/http/read-body.js';
import { LineReader } from '../../shared/protocol/lines.js';
import { printable } from '../../shared/printable.js';

/** What Kubernetes mounts into each container of a pod that has a service account. */
export const SERVICE_ACCOUNT_FOLDER = '/var/run/secrets/kubernetes.io/serviceaccount';

/** Where the Kubernetes API is, and who this service is there. */
export interface KubernetesApiOptions {
  readonly host: string;
  readonly port: number;
  /** With `token` and `ca.crt`. Default: that of the pod. */
  readonly serviceAccountFolder?: string;
  /** Limit of an exchange, from connecting to the last byte; of a watch, until its answer begins. Default: 5 s. */
  readonly timeoutMs?: number;
}

const DEFAULT_TIMEOUT_MS = 5_000;
/** Kubernetes replaces the token before it expires, and the certificate authority when that changes. */
const CREDENTIALS_LIFETIME_MS = 60_000;
/** Enough for a page of 500 pods, of which each may have 1.5 MiB in theory and has a few KiB in practice. */
const MAX_BODY_BYTES = 64 * 1024 * 1024;
/** The database of Kubernetes accepts 1.5 MiB per object. */
const MAX_EVENT_BYTES = 4 * 1024 * 1024;
/** Of concurrent requests; others wait for them. */
const MAX_CONNECTIONS = 16;
/** Longest part of the API's own explanation in a message, in characters. */
const MAX_EXPLANATION_LENGTH = 200;

/** The Kubernetes API did not answer, or not as it should. The message completes "the Kubernetes API cannot be asked: ...". */
export class KubernetesApiError extends Error {
  /** @param status HTTP status, or that of an event; absent: there was no answer */
  constructor(
    message: string,
    readonly status?: number,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'KubernetesApiError';
  }
}

interface Credentials {
  readonly token: string;
  readonly ca: string;
  readonly readAtMs: number;
}

interface Exchange {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: string;
  readonly signal: AbortSignal;
}

export interface WatchOptions {
  /** How long the API may send nothing. */
  readonly idleMs: number;
  readonly signal: AbortSignal;
  /** Called when the API has accepted the watch. */
  readonly onBegun: () => void;
}

/** A client of the Kubernetes API, with the service account of this pod. Every method throws KubernetesApiError or the reason of the signal. */
export class KubernetesApi {
  private readonly agent = new Agent({ keepAlive: true, maxSockets: MAX_CONNECTIONS });
  private readonly serviceAccountFolder: string;
  private readonly timeoutMs: number;
  private credentials?: Credentials;

  constructor(private readonly options: KubernetesApiOptions) {
    this.serviceAccountFolder = options.serviceAccountFolder ?? SERVICE_ACCOUNT_FOLDER;
    this.timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  }

  close(): void {
    this.agent.destroy();
  }

  get<Answer>(path: string, signal?: AbortSignal): Promise<Answer> {
    return this.exchange('GET', path, undefined, signal);
  }

  /** Sends an object for which the API makes another one: a review, for example. */
  create<Answer>(path: string, body: object, signal?: AbortSignal): Promise<Answer> {
    return this.exchange('POST', path, JSON.stringify(body), signal);
  }

  /**
   * Yields the lines of an answer that goes on, parsed as JSON; returns when the API ends it.
   */
  async *watch(path: string, { idleMs, signal, onBegun }: WatchOptions): AsyncGenerator<unknown, void> {
    const ending = new AbortController();
    const cutAfter = (ms: number): NodeJS.Timeout =>
      setTimeout(() => ending.abort(new KubernetesApiError(`nothing came for ${ms / 1000} s`)), ms);
    let timer = cutAfter(this.timeoutMs);
    try {
      const both = AbortSignal.any([signal, ending.signal]);
      const response = await this.respond({ method: 'GET', path, signal: both });
      const lines = new LineReader(MAX_EVENT_BYTES);
      clearTimeout(timer);
      timer = cutAfter(idleMs);
      onBegun();
      for await (const chunk of response as AsyncIterable<Buffer>) {
        timer.refresh();
        for (const line of lines.push(chunk)) yield parse(line);
      }
    } catch (error) {
      throw errorFor(signal.aborted ? signal : ending.signal, error);
    } finally {
      clearTimeout(timer);
      ending.abort();
    }
  }

  private async exchange<Answer>(
    method: Exchange['method'],
    path: string,
    body: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Answer> {
    const timeout = new AbortController();
    const late = new KubernetesApiError(`it did not answer within ${this.timeoutMs / 1000} s`);
    const timer = setTimeout(() => timeout.abort(late), this.timeoutMs);
    const limits = AbortSignal.any([timeout.signal, ...(signal ? [signal] : [])]);
    try {
      const exchange = { method, path, ...(body !== undefined && { body }), signal: limits };
      const response = await this.respond(exchange);
      return parse(await bodyOf(response)) as Answer;
    } catch (error) {
      throw errorFor(limits, error);
    } finally {
      clearTimeout(timer);
    }
  }

  /** @returns an answer with a status that means success */
  private async respond(exchange: Exchange): Promise<IncomingMessage> {
    const response = await this.send(exchange, await this.currentCredentials());
    const { statusCode = 0 } = response;
    if (statusCode >= 200 && statusCode < 300) return response;
    if (statusCode === 401) delete this.credentials; // the token may have been replaced meanwhile
    const explanation = printable(explanationIn(await bodyOf(response)), MAX_EXPLANATION_LENGTH);
    const said = explanation ? `: ${explanation}` : '';
    throw new KubernetesApiError(`it answered with status ${statusCode}${said}`, statusCode);
  }

  private async send(
    exchange: Exchange,
    credentials: Credentials,
    isRetry = false,
  ): Promise<IncomingMessage> {
    const { method, path, body, signal } = exchange;
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const sent = request({
      host: this.options.host,
      port: this.options.port,
      agent: this.agent,
      ca: credentials.ca,
      method,
      path,
      signal,
      headers: {
        authorization: `Bearer ${credentials.token}`,
        accept: 'application/json',
        ...(body !== undefined && {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
        }),
      },
    })
      .on('response', resolve)
      // Never removed: Node.js may emit an error after the response, too.
      .on('error', reject)
      .end(body);
    try {
      return await promise;
    } catch (error) {
      // The API closed a connection that was kept open, just when this request used it.
      if (isRetry || signal.aborted || !sent.reusedSocket) throw error;
      return this.send(exchange, credentials, true);
    }
  }

  private async currentCredentials(): Promise<Credentials> {
    const nowMs = performance.now();
    if (this.credentials && nowMs - this.credentials.readAtMs < CREDENTIALS_LIFETIME_MS)
      return this.credentials;
    try {
      const [token, ca] = await Promise.all(
        ['token', 'ca.crt'].map((name) => readFile(join(this.serviceAccountFolder, name), 'utf8')),
      );
      return (this.credentials = { token: token!.trim(), ca: ca!, readAtMs: nowMs });
    } catch (cause) {
      const code = (cause as NodeJS.ErrnoException).code ?? 'unknown error';
      throw new KubernetesApiError(
        `the service account of this pod cannot be read (${code}): ${this.serviceAccountFolder}`,
        undefined,
        { cause },
      );
    }
  }
}

function bodyOf(response: IncomingMessage): Promise<string> {
  const tooLong = (): Error => new KubernetesApiError(`its answer is longer than ${MAX_BODY_BYTES} bytes`);
  return readBody(response, MAX_BODY_BYTES, tooLong);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new KubernetesApiError('its answer is not JSON', undefined, { cause });
  }
}

/** The API explains a failure in an object of kind Status; what is between may answer something else. */
function explanationIn(body: string): string {
  try {
    return (JSON.parse(body) as Partial<Status> | null)?.message ?? '';
  } catch {
    return ''; // SyntaxError: not JSON
  }
}

/** An abort shows as various errors, depending on how far the exchange had come. */
function errorFor(signal: AbortSignal, error: unknown): unknown {
  if (signal.aborted) return signal.reason;
  if (error instanceof KubernetesApiError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  return new KubernetesApiError(`the connection failed (${code ?? message})`, undefined, { cause: error });
}
