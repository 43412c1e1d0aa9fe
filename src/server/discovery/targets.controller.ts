import { Controller, Get, Req, Res, ServiceUnavailableException, type OnModuleDestroy } from '@nestjs/common';
import type { Request, Response } from 'express';
import { LiveTargets } from './live-targets.js';
import { TargetChanges, type ListedTarget, type TargetEvent } from './target-changes.js';
import {
  podNamespaceOf,
  projectOf,
  TargetDirectory,
  TargetDirectoryError,
  type DirectoryEntry,
} from './target-directory.js';
import { NamedTargetSets } from './named-target-sets.js';

const HEARTBEAT_MS = 15_000;
/** The changes are kept for this time after the last client, who may come back. */
const LINGER_MS = 10_000;
/** After this time a browser connects again, in milliseconds. */
const RETRY_MS = 2_000;
/** A client that reads less than it is sent is disconnected, and gets a snapshot when it comes back. */
const MAX_UNREAD_BYTES = 8 * 1024 * 1024;

/** `GET /targets`: what can be captured, as a list or as server-sent events (https://html.spec.whatwg.org/#server-sent-events). */
@Controller('targets')
export class TargetsController implements OnModuleDestroy {
  private readonly clients = new Set<Response>();
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
    for (const client of this.clients) client.end();
  }

  @Get()
  async targets(@Req() request: Request, @Res() response: Response): Promise<void> {
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    response.setHeader('Cache-Control', 'no-store');
    response.setHeader('Vary', 'Accept');
    try {
      if (request.accepts(['json', 'text/event-stream']) === 'text/event-stream') {
        await this.live.whenKnown(gone.signal);
        this.stream(request, response);
      } else {
        const entries = await this.directory.list(gone.signal);
        response.json({ targets: entries.map((entry) => this.listed(entry)) });
      }
    } catch (cause) {
      if (gone.signal.aborted || cause instanceof TargetDirectoryError) {
        throw new ServiceUnavailableException(cause instanceof Error ? cause.message : undefined, { cause });
      }
      throw cause;
    }
  }

  private stream(request: Request, response: Response): void {
    clearTimeout(this.linger);
    if (!this.changes) this.begin();
    this.clients.add(response);
    response.once('close', () => {
      this.clients.delete(response);
      if (this.clients.size === 0) this.linger = setTimeout(() => this.end(), LINGER_MS).unref();
    });
    // nginx would hold events back otherwise.
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'X-Accel-Buffering': 'no' });
    if (request.method === 'HEAD') return void response.end();
    response.write(`retry: ${RETRY_MS}\n\n`);
    for (const event of this.changes?.since(request.get('Last-Event-ID')) ?? [])
      send(response, textOf(event));
  }

  private begin(): void {
    const changes = new TargetChanges();
    this.changes = changes;
    this.unsubscribe = this.live.subscribe((entries) => {
      const events = changes.update(entries.map((entry) => this.listed(entry)));
      for (const event of events) this.sendAll(textOf(event));
    });
    this.heartbeat = setInterval(() => this.sendAll(': heartbeat\n\n'), HEARTBEAT_MS);
  }

  private end(): void {
    clearTimeout(this.linger);
    clearInterval(this.heartbeat);
    this.unsubscribe?.();
    delete this.changes;
  }

  private sendAll(text: string): void {
    for (const client of this.clients) send(client, text);
  }

  private listed({ interfaces, startTime, ...entry }: DirectoryEntry): ListedTarget {
    const { name, prefix, type, netns, pid, labels = {}, image = '' } = entry;
    const namespace = podNamespaceOf(entry);
    const project = projectOf(entry);
    const { node } = this.sets;
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

function send(client: Response, text: string): void {
  client.write(text);
  if (client.writableLength > MAX_UNREAD_BYTES) client.destroy();
}
