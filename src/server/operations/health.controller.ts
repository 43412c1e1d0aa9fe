import { Controller, Get, Header, HttpStatus, Res, UseGuards } from '@nestjs/common';
import type { Response } from 'express';
import { OperatorPortGuard } from './operator-port.js';
import { Readiness, type ReadinessReport } from './readiness.js';

/** Probes for orchestrators. */
@Controller()
@UseGuards(OperatorPortGuard)
export class HealthController {
  constructor(private readonly readiness: Readiness) {}

  /** Liveness: succeeds whenever the process answers. If it does not, the service should be restarted. */
  @Get('healthz')
  @Header('Cache-Control', 'no-store')
  alive(): { status: 'alive' } {
    return { status: 'alive' };
  }

  /** Readiness: 200 if captures can start, otherwise 503; the body lists the state of each part in either case. */
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
