import { Controller, Get, Header, Res, ServiceUnavailableException } from '@nestjs/common';
import type { Response } from 'express';
import { Described } from '../../http/described.js';
import { ServerEnvironment } from '../../config/server-environment.js';
import { SingleFlight } from '../../../shared/single-flight.js';
import { TargetDirectoryError } from '../target-directory.js';
import { getFindings } from './discoverer-request.js';

const TARGET = {
  type: 'object',
  properties: {
    name: { type: 'string' },
    prefix: { type: 'string' },
    type: { type: 'string' },
    netns: { type: 'integer' },
    pid: { type: 'integer' },
    starttime: { type: 'integer' },
    'network-interfaces': { type: 'array', items: { type: 'string' } },
  },
  required: ['name', 'type', 'netns', 'network-interfaces'],
};
const LIST = {
  type: 'object',
  properties: { containers: { type: 'array', items: TARGET } },
  required: ['containers'],
};

/** What GhostWire serves behind our proxy, served by ourselves: clients need not know the difference. */
@Controller('discover')
export class LocalDiscoveryController {
  private readonly findings: SingleFlight<string>;

  constructor({ discovererSocket = '' }: ServerEnvironment) {
    this.findings = new SingleFlight((signal) => getFindings(discovererSocket, false, signal));
  }

  /** The discoverer' answer as it is: it comes from our own, and may be megabytes. */
  @Get('mobyshark')
  @Described({
    summary: 'What there is to capture from, as GhostWire lists it; only with --local-discovery',
    answers: {
      200: { when: 'it could be found out', contentType: 'application/json; charset=utf-8', schema: LIST },
      503: {
        when: 'the discoverer does not answer',
        contentType: 'application/json; charset=utf-8',
        schema: { type: 'object', properties: { message: { type: 'string' } }, required: ['message'] },
      },
    },
  })
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
