import { Controller, Get, Header, Res } from '@nestjs/common';
import type { Response } from 'express';
import { SingleFlight } from '../../shared/single-flight.js';
import { answerFromDirectory } from './directory-answer.js';
import { NamedTargetSets } from './named-target-sets.js';
import { TargetDirectory, type DirectoryEntry } from './target-directory.js';

/** Serves the list of targets where and as GhostWire's would be with `--proxy-discovery`, and the sets of targets. */
@Controller('discover')
export class MobysharkController {
  private readonly targets: SingleFlight<Uint8Array>;

  constructor(
    directory: TargetDirectory,
    private readonly sets: NamedTargetSets,
  ) {
    this.targets = new SingleFlight<Uint8Array>(async (signal) =>
      Buffer.from(JSON.stringify(this.document(await directory.list(signal)))),
    );
  }

  /** Those who ask at the same time share the answer, which may have megabytes, however slowly they read. */
  @Get('mobyshark')
  @Header('Content-Type', 'application/json')
  @Header('Cache-Control', 'no-store')
  async mobyshark(@Res() response: Response): Promise<void> {
    await answerFromDirectory(response, async (signal) => {
      response.end(await this.targets.ask(false, signal));
    });
  }

  /** GhostWire's clients know no labels, and choose a set like any other target. */
  private document(entries: readonly DirectoryEntry[]): object {
    const targets = entries.map(({ name, type, netns, interfaces, pid, startTime, prefix }) => ({
      ...{ name, type, netns, 'network-interfaces': interfaces, pid, starttime: startTime, prefix },
    }));
    return { metadata: {}, containers: [...targets, ...this.sets.listed(entries)] };
  }
}
