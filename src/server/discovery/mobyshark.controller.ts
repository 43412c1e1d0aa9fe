import { Controller, Get, Header, Res } from '@nestjs/common';
import type { Response } from 'express';
import { ServerEnvironment } from '../../shared/supervisor-link/supervisor-link.js';
import { SingleFlight } from '../../shared/single-flight.js';
import { answerFromDirectory } from './directory-answer.js';
import { getDiscoveredTargets } from './discoverer-target-directory.js';
import type { DirectoryEntry } from './target-directory.js';
import { NamedTargetSets } from './named-target-sets.js';

/** As the discoverer lists it. */
interface DiscoveredTarget extends Pick<
  DirectoryEntry,
  'name' | 'type' | 'netns' | 'pid' | 'prefix' | 'labels'
> {
  readonly 'network-interfaces': readonly string[];
  readonly starttime: number;
}

/** The discoverer's document, which is trusted. */
interface DiscovererDocument {
  readonly metadata: object;
  readonly containers: readonly DiscoveredTarget[];
}

/** Serves the discoverer's list of targets where and as GhostWire's would be with `--proxy-discovery`, and the sets of targets. */
@Controller('discover')
export class MobysharkController {
  private readonly targets: SingleFlight<Uint8Array>;

  constructor(
    { discovererSocket: socketPath, requestStart }: ServerEnvironment,
    private readonly sets: NamedTargetSets,
  ) {
    this.targets = new SingleFlight<Uint8Array>(async (signal) => {
      const { body } = await getDiscoveredTargets({ socketPath, requestStart }, undefined, signal);
      return Buffer.from(JSON.stringify(this.withSets(JSON.parse(body) as DiscovererDocument)));
    });
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
  private withSets({ metadata, containers }: DiscovererDocument): object {
    const targets = containers.map((target) => {
      const { name, type, netns, 'network-interfaces': interfaces, pid, starttime, prefix } = target;
      return { name, type, netns, 'network-interfaces': interfaces, pid, starttime, prefix };
    });
    return { metadata, containers: [...targets, ...this.sets.listed(containers)] };
  }
}
