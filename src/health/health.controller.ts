import { Controller, Get, Header, HttpStatus, Res } from '@nestjs/common';
import type { Response } from 'express';
import { Readiness, type ReadinessReport } from './readiness.js';

/** What orchestrators probe. */
@Controller()
export class HealthController {
  constructor(private readonly readiness: Readiness) {}

  /** Alive: whoever does not get this answer should start the service again. Nothing else counts here. */
  @Get('healthz')
  @Header('Cache-Control', 'no-store')
  alive(): { status: 'alive' } {
    return { status: 'alive' };
  }

  /** Ready: 200 when captures can begin, 503 when not; either way it says which part is not ready. */
  @Get('readyz')
  @Header('Cache-Control', 'no-store')
  async ready(
    @Res({ passthrough: true }) response: Response,
  ): Promise<{ status: string } & Pick<ReadinessReport, 'parts'>> {
    const { ready, parts } = await this.readiness.report();
    response.status(ready ? HttpStatus.OK : HttpStatus.SERVICE_UNAVAILABLE);
    return { status: ready ? 'ready' : 'not ready', parts };
  }
}
