import { Controller, Get, Header, Res, ServiceUnavailableException } from '@nestjs/common';
import type { Response } from 'express';
import { EngineConfig } from '../../config/engine.config.js';
import { SharedRequest } from '../shared-request.js';
import { TargetDirectoryError } from '../target-directory.js';
import { getFindings } from './finder.js';

/** What GhostWire serves behind our proxy, served by ourselves: clients need not know the difference. */
@Controller('discover')
export class LocalDiscoveryController {
  private readonly findings: SharedRequest<string>;

  constructor({ discoverySocket = '' }: EngineConfig) {
    this.findings = new SharedRequest((signal) => getFindings(discoverySocket, false, signal));
  }

  /** The discovery process' answer as it is: it comes from our own, and may be megabytes. */
  @Get('mobyshark')
  @Header('Content-Type', 'application/json')
  @Header('Cache-Control', 'no-store')
  async mobyshark(@Res({ passthrough: true }) response: Response): Promise<string> {
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    try {
      return await this.findings.ask(false, gone.signal);
    } catch (cause) {
      if (gone.signal.aborted || cause instanceof TargetDirectoryError) {
        throw new ServiceUnavailableException(cause instanceof Error ? cause.message : undefined, { cause });
      }
      throw cause;
    }
  }
}
