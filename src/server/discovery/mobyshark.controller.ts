import { Controller, Get, Header, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import { SingleFlight } from '../../shared/single-flight.js';
import { authenticatedUserOf } from '../access/authenticated-user.js';
import { answerFromDirectory } from './directory-answer.js';
import { NamedTargetSets } from './named-target-sets.js';
import { PermittedTargets } from './permitted-targets.js';
import { TargetDirectory, type DirectoryEntry } from './target-directory.js';

/** Serves the list of targets where and as GhostWire's would be with `--proxy-discovery`, and the sets of targets. */
@Controller('discover')
export class MobysharkController {
  private readonly targets: SingleFlight<Uint8Array>;

  constructor(
    private readonly directory: TargetDirectory,
    private readonly sets: NamedTargetSets,
    private readonly permitted: PermittedTargets,
  ) {
    this.targets = new SingleFlight<Uint8Array>(async (signal) =>
      Buffer.from(this.document(await directory.list(signal))),
    );
  }

  /** Those who ask at the same time share the answer, which may have megabytes, however slowly they read, unless it is another one for each user. */
  @Get('mobyshark')
  @Header('Content-Type', 'application/json')
  @Header('Cache-Control', 'no-store')
  async mobyshark(@Req() request: Request, @Res() response: Response): Promise<void> {
    await answerFromDirectory(response, async (signal) => {
      if (!this.permitted.isRestricted) return void response.end(await this.targets.ask(false, signal));
      const entries = await this.directory.list(signal);
      response.end(this.document(await this.permitted.of(authenticatedUserOf(request), entries)));
    });
  }

  /** GhostWire's clients know no labels, and choose a set like any other target. */
  private document(entries: readonly DirectoryEntry[]): string {
    const targets = entries.map(({ name, type, netns, interfaces, pid, startTime, prefix }) => ({
      ...{ name, type, netns, 'network-interfaces': interfaces, pid, starttime: startTime, prefix },
    }));
    const { problems } = this.directory;
    const metadata = problems.length > 0 ? { problems } : {};
    return JSON.stringify({ metadata, containers: [...targets, ...this.sets.listed(entries)] });
  }
}
