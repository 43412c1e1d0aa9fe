import type { Request, Response } from 'express';
import type { AuthenticatedUser } from '../access/authenticated-user.js';
import type { PermittedTargets } from './permitted-targets.js';
import { TargetChanges, type ListedTarget, type TargetEvent } from './target-changes.js';
import type { DirectoryEntry } from './target-directory.js';

const HEARTBEAT_MS = 15_000;
/** The changes are kept for this time after the last client, who may come back. */
const LINGER_MS = 10_000;
/** After this time a browser connects again, in milliseconds. */
const RETRY_MS = 2_000;
/** Beyond what it got first. A client that reads less than it is sent is disconnected, and gets a snapshot when it comes back. */
const MAX_UNREAD_BYTES = 8 * 1024 * 1024;

export interface TargetStreamOptions {
  readonly user: AuthenticatedUser | undefined;
  readonly listed: (entry: DirectoryEntry) => ListedTarget;
  /** Called when nobody has been there for a while. */
  readonly onEnd: () => void;
}

/** The server-sent events of `GET /targets` for all clients of one user. */
export class TargetStream {
  /** With the number of bytes that may wait for each of them. */
  private readonly clients = new Map<Response, number>();
  private readonly changes = new TargetChanges();
  private readonly known = Promise.withResolvers<void>();
  private readonly unsubscribe: () => void;
  private readonly heartbeat: NodeJS.Timeout;
  private linger?: NodeJS.Timeout;
  private hasEnded = false;

  constructor(
    permitted: PermittedTargets,
    private readonly options: TargetStreamOptions,
  ) {
    const { user, listed } = options;
    this.unsubscribe = permitted.subscribe(user, (entries, permits) => {
      const events = this.changes.update(entries.filter((entry) => permits(entry) === true).map(listed));
      for (const event of events) this.sendAll(textOf(event));
      if (!this.linger && this.clients.size === 0) this.endLater();
      this.known.resolve();
    });
    this.heartbeat = setInterval(() => this.sendAll(': heartbeat\n\n'), HEARTBEAT_MS);
  }

  /** Settles when the first event can be sent. */
  get whenKnown(): Promise<void> {
    return this.known.promise;
  }

  add(request: Request, response: Response): void {
    if (this.hasEnded) return void response.end(); // the service is shutting down
    clearTimeout(this.linger);
    response.on('error', () => undefined); // of a write after the connection has gone
    // A response whose turn has not come (pipelining) has no `close` event.
    for (const end of [response, request.socket]) end.once('close', () => this.leave(response));
    const first = this.changes.since(request.get('Last-Event-ID')).map(textOf).join('');
    this.clients.set(response, MAX_UNREAD_BYTES + first.length);
    response.write(`retry: ${RETRY_MS}\n\n${first}`);
  }

  /** Ends all responses. */
  close(): void {
    this.end();
    for (const client of this.clients.keys()) client.end();
  }

  private leave(client: Response): void {
    if (this.clients.delete(client) && this.clients.size === 0) this.endLater();
  }

  private endLater(): void {
    clearTimeout(this.linger);
    this.linger = setTimeout(() => this.end(), LINGER_MS).unref();
  }

  private end(): void {
    clearTimeout(this.linger);
    clearInterval(this.heartbeat);
    this.hasEnded = true;
    this.known.resolve();
    this.unsubscribe();
    this.options.onEnd();
  }

  private sendAll(text: string): void {
    for (const [client, maxUnreadBytes] of this.clients) {
      if (!client.writableEnded && !client.destroyed) client.write(text);
      if (client.writableLength <= maxUnreadBytes) continue;
      client.destroy();
      this.leave(client);
    }
  }
}

function textOf({ id, type, targets }: TargetEvent): string {
  return `event: ${type}\nid: ${id}\ndata: ${JSON.stringify({ targets })}\n\n`;
}
