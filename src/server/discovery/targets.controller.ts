import { Controller, Get, Req, Res, type OnModuleDestroy } from '@nestjs/common';
import type { Request, Response } from 'express';
import { authenticatedUserOf, type AuthenticatedUser } from '../access/authenticated-user.js';
import { answerFromDirectory } from './directory-answer.js';
import { LiveTargets } from './live-targets.js';
import { NamedTargetSets } from './named-target-sets.js';
import { PermittedTargets } from './permitted-targets.js';
import type { ListedTarget } from './target-changes.js';
import { podNamespaceOf, projectOf, TargetDirectory, type DirectoryEntry } from './target-directory.js';
import { TargetStream } from './target-stream.js';

/**
 * `GET /targets`: what the user may capture from, as a list or as server-sent events
 * (https://html.spec.whatwg.org/#server-sent-events).
 */
@Controller('targets')
export class TargetsController implements OnModuleDestroy {
  /** By user; where everybody may capture everything, there is one for all. */
  private readonly streams = new Map<string, TargetStream>();

  constructor(
    private readonly directory: TargetDirectory,
    private readonly live: LiveTargets,
    private readonly permitted: PermittedTargets,
    private readonly sets: NamedTargetSets,
  ) {}

  /** Open event streams would keep the server from closing. */
  onModuleDestroy(): void {
    for (const stream of [...this.streams.values()]) stream.close();
  }

  @Get()
  async targets(@Req() request: Request, @Res() response: Response): Promise<void> {
    response.setHeader('Cache-Control', 'no-store');
    response.setHeader('Vary', 'Accept');
    const user = authenticatedUserOf(request);
    await answerFromDirectory(response, async (signal) => {
      if (request.accepts(['json', 'text/event-stream']) === 'text/event-stream') {
        await this.permitted.of(user, await this.live.whenKnown(signal)); // it fails before the stream begins
        await this.stream(user, request, response);
      } else {
        const entries = await this.permitted.of(user, await this.directory.list(signal));
        response.json({ targets: entries.map((entry) => this.listed(entry)) });
      }
    });
  }

  private async stream(
    user: AuthenticatedUser | undefined,
    request: Request,
    response: Response,
  ): Promise<void> {
    if (request.method === 'HEAD') return void begin(response).end();
    const stream = this.streamFor(user);
    await stream.whenKnown;
    if (!response.destroyed) stream.add(request, begin(response));
  }

  private streamFor(user: AuthenticatedUser | undefined): TargetStream {
    const key = this.permitted.isRestricted ? JSON.stringify(user ?? null) : '';
    let stream = this.streams.get(key);
    if (!stream) {
      const listed = (entry: DirectoryEntry): ListedTarget => this.listed(entry);
      const onEnd = (): void => void this.streams.delete(key);
      stream = new TargetStream(this.permitted, { user, listed, onEnd });
      this.streams.set(key, stream);
    }
    return stream;
  }

  private listed({ interfaces, startTime, ...entry }: DirectoryEntry): ListedTarget {
    const { name, prefix, type, netns, pid, labels = {}, image = '', workload } = entry;
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
      ...(workload !== undefined && { workload }),
    };
  }
}

function begin(response: Response): Response {
  // nginx would hold events back otherwise.
  return response.writeHead(200, { 'Content-Type': 'text/event-stream', 'X-Accel-Buffering': 'no' });
}
