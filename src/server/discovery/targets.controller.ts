import { Controller, Get, Req, Res, type OnModuleDestroy } from '@nestjs/common';
import type { Request, Response } from 'express';
import { answerFromDirectory } from './directory-answer.js';
import { LiveTargets } from './live-targets.js';
import { TargetChanges, type ListedTarget, type TargetEvent } from './target-changes.js';
import { podNamespaceOf, projectOf, TargetDirectory, type DirectoryEntry } from './target-directory.js';
import { NamedTargetSets } from './named-target-sets.js';

const HEARTBEAT_MS = 15_000;
/** The changes are kept for this time after the last client, who may come back. */
const LINGER_MS = 10_000;
/** After this time a browser connects again, in milliseconds. */
const RETRY_MS = 2_000;
/** Beyond what it got first. A client that reads less than it is sent is disconnected, and gets a snapshot when it comes back. */
const MAX_UNREAD_BYTES = 8 * 1024 * 1024;

/** `GET /targets`: what can be captured, as a list or as server-sent events (https://html.spec.whatwg.org/#server-sent-events). */
@Controller('targets')
export class TargetsController implements OnModuleDestroy {
  /** With the number of bytes that may wait for each of them. */
  private readonly clients = new Map<Response, number>();
  private changes?: TargetChanges;
  private unsubscribe?: () => void;
  private heartbeat?: NodeJS.Timeout;
  private linger?: NodeJS.Timeout;

  constructor(
    private readonly directory: TargetDirectory,
    private readonly live: LiveTargets,
    private readonly sets: NamedTargetSets,
  ) {}

  /** Open event streams would keep the server from closing. */
  onModuleDestroy(): void {
    this.end();
    for (const client of this.clients.keys()) client.end();
  }

  @Get()
  async targets(@Req() request: Request, @Res() response: Response): Promise<void> {
    response.setHeader('Cache-Control', 'no-store');
    response.setHeader('Vary', 'Accept');
    await answerFromDirectory(response, async (signal) => {
      if (request.accepts(['json', 'text/event-stream']) === 'text/event-stream') {
        await this.live.whenKnown(signal);
        this.stream(request, response);
      } else {
        const entries = await this.directory.list(signal);
        response.json({ targets: entries.map((entry) => this.listed(entry)) });
      }
    });
  }

  private stream(request: Request, response: Response): void {
    // nginx would hold events back otherwise.
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'X-Accel-Buffering': 'no' });
    if (request.method === 'HEAD') return void response.end();
    clearTimeout(this.linger);
    this.changes ??= this.begin();
    response.on('error', () => undefined); // of a write after the connection has gone
    // A response whose turn has not come (pipelining) has no `close` event.
    for (const end of [response, request.socket]) end.once('close', () => this.leave(response));
    const first = this.changes.since(request.get('Last-Event-ID')).map(textOf).join('');
    this.clients.set(response, MAX_UNREAD_BYTES + first.length);
    response.write(`retry: ${RETRY_MS}\n\n${first}`);
  }

  private leave(client: Response): void {
    if (!this.clients.delete(client) || this.clients.size > 0) return;
    this.linger = setTimeout(() => this.end(), LINGER_MS).unref();
  }

  private begin(): TargetChanges {
    const changes = new TargetChanges();
    this.unsubscribe = this.live.subscribe((entries) => {
      const events = changes.update(entries.map((entry) => this.listed(entry)));
      for (const event of events) this.sendAll(textOf(event));
    });
    this.heartbeat = setInterval(() => this.sendAll(': heartbeat\n\n'), HEARTBEAT_MS);
    return changes;
  }

  private end(): void {
    clearTimeout(this.linger);
    clearInterval(this.heartbeat);
    this.unsubscribe?.();
    delete this.changes;
  }

  private sendAll(text: string): void {
    for (const [client, maxUnreadBytes] of this.clients) {
      if (!client.writableEnded && !client.destroyed) client.write(text);
      if (client.writableLength <= maxUnreadBytes) continue;
      client.destroy();
      this.leave(client);
    }
  }

  private listed({ interfaces, startTime, ...entry }: DirectoryEntry): ListedTarget {
    const { name, prefix, type, netns, pid, labels = {}, image = '' } = entry;
    const namespace = podNamespaceOf(entry);
    const project = projectOf(entry);
    const { node = this.sets.node } = entry;
    return {
      name,
      prefix,
      type,
      node,
      netns,
      pid,
      starttime: startTime,
      interfaces,
      labels,
      namespace,
      project,
      image,
    };
  }
}

function textOf({ id, type, targets }: TargetEvent): string {
  return `event: ${type}\nid: ${id}\ndata: ${JSON.stringify({ targets })}\n\n`;
}
