import { Controller, Get, Header, Req, Res, ServiceUnavailableException } from '@nestjs/common';
import type { Request, Response } from 'express';
import { clientNetwork } from '../../shared/client-network.js';
import { CaptureError } from '../../shared/protocol/capture-error.js';
import { validateFilter } from '../../shared/protocol/capture-spec.js';
import { httpRefusal } from '../http/http-refusal.js';
import { CaptureProvider } from './capture-provider.js';
import { httpStatus } from './close-codes.js';

/** Far more than people type at the same time. Each waits for its turn at the compiler. */
const MAX_CHECKS = 64;
/** All clients of a proxy have one address. */
const MAX_CHECKS_OF_CLIENT = 16;

/** `GET /filter?filter=...`: whether a capture filter is valid, for those who are still typing it. */
@Controller('filter')
export class FilterController {
  /** The client of each check that is going on. */
  private readonly checks: string[] = [];

  constructor(private readonly provider: CaptureProvider) {}

  @Get()
  @Header('Cache-Control', 'no-store')
  async check(
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<{ valid: boolean; message?: string }> {
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    try {
      // The first value counts, as in a request for a capture.
      const filter = new URL(request.url, 'http://localhost').searchParams.get('filter') ?? '';
      const message = await this.problemOf(filter, request, gone.signal);
      return message === undefined ? { valid: true } : { valid: false, message };
    } catch (error) {
      if (gone.signal.aborted) throw new ServiceUnavailableException(undefined, { cause: error });
      if (!(error instanceof CaptureError)) throw error;
      const { code, message } = error;
      if (code === 'invalid-filter') return { valid: false, message };
      throw httpRefusal(httpStatus(code), code, message);
    }
  }

  private async problemOf(text: string, request: Request, signal: AbortSignal): Promise<string | undefined> {
    const filter = validateFilter(text);
    if (filter === '') return undefined;
    if (!this.provider.checkFilter) {
      throw httpRefusal(501, 'not-supported', 'the capture provider of this service cannot check filters');
    }
    const client = clientNetwork(request.socket.remoteAddress ?? '');
    const ofClient = this.checks.filter((each) => each === client).length;
    if (ofClient >= MAX_CHECKS_OF_CLIENT || this.checks.length >= MAX_CHECKS) {
      throw new CaptureError('too-many-captures', 'too many filters are being checked');
    }
    this.checks.push(client);
    try {
      return await this.provider.checkFilter(filter, client, signal);
    } finally {
      this.checks.splice(this.checks.indexOf(client), 1);
    }
  }
}
