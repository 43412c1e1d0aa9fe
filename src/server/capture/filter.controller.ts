import { Controller, Get, Header, Query, Req, Res, ServiceUnavailableException } from '@nestjs/common';
import type { Request, Response } from 'express';
import { clientNetwork } from '../../shared/client-network.js';
import { CaptureError } from '../../shared/protocol/capture-error.js';
import { validateFilter } from '../../shared/protocol/capture-spec.js';
import { httpRefusal } from '../http/http-refusal.js';
import { CaptureProvider } from './capture-provider.js';
import { httpStatus } from './close-codes.js';

/** Far more than people type at the same time. Each waits for its turn at the compiler. */
const MAX_CHECKS = 32;

/** `GET /filter?filter=...`: whether a capture filter is valid, for those who are still typing it. */
@Controller('filter')
export class FilterController {
  private checks = 0;

  constructor(private readonly provider: CaptureProvider) {}

  @Get()
  @Header('Cache-Control', 'no-store')
  async check(
    @Query('filter') filter: unknown,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<{ valid: boolean; message?: string }> {
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    try {
      const message = await this.problemOf(typeof filter === 'string' ? filter : '', request, gone.signal);
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
    if (this.checks >= MAX_CHECKS)
      throw new CaptureError('too-many-captures', 'too many filters are being checked');
    this.checks++;
    try {
      return await this.provider.checkFilter(
        filter,
        clientNetwork(request.socket.remoteAddress ?? ''),
        signal,
      );
    } finally {
      this.checks--;
    }
  }
}
