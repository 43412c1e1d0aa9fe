import { Controller, Get, Header, Res, ServiceUnavailableException } from '@nestjs/common';
import type { Response } from 'express';
import { ServerEnvironment } from '../../shared/supervisor-link/supervisor-link.js';
import { SingleFlight } from '../../shared/single-flight.js';
import { getDiscoveredTargets } from './discoverer-target-directory.js';
import { TargetDirectoryError } from './target-directory.js';

/** Serves the discoverer's list of targets where and as GhostWire's would be with `--proxy-discovery`. */
@Controller('discover')
export class MobysharkController {
  private readonly targets: SingleFlight<Uint8Array>;

  constructor({ discovererSocket: socketPath, requestStart }: ServerEnvironment) {
    this.targets = new SingleFlight<Uint8Array>(async (signal) =>
      Buffer.from(await getDiscoveredTargets({ socketPath, requestStart }, false, signal)),
    );
  }

  /**
   * Passes the discoverer's answer on without parsing it: it is trusted, and may have megabytes. Those who ask at the same time
   * share its memory, however slowly they read.
   */
  @Get('mobyshark')
  @Header('Content-Type', 'application/json')
  @Header('Cache-Control', 'no-store')
  async mobyshark(@Res() response: Response): Promise<void> {
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    try {
      response.end(await this.targets.ask(false, gone.signal));
    } catch (cause) {
      if (gone.signal.aborted || cause instanceof TargetDirectoryError) {
        throw new ServiceUnavailableException(cause instanceof Error ? cause.message : undefined, { cause });
      }
      throw cause;
    }
  }
}
