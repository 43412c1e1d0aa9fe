import { Controller, Get, Header, HttpStatus, Res } from '@nestjs/common';
import type { Response } from 'express';
import { Described, type AnswerDescription } from '../http/described.js';
import { Readiness, type ReadinessReport } from './readiness.js';

const PARTS = {
  type: 'object',
  additionalProperties: {
    type: 'object',
    properties: { ready: { type: 'boolean' }, message: { type: 'string' } },
    required: ['ready', 'message'],
  },
};

/** What orchestrators probe. */
@Controller()
export class HealthController {
  constructor(private readonly readiness: Readiness) {}

  /** Alive: whoever does not get this answer should start the service again. Nothing else counts here. */
  @Get('healthz')
  @Described({
    summary: 'Whether the service is alive',
    answers: { 200: { when: 'always', ...answerSchema({ status: { const: 'alive' } }) } },
  })
  @Header('Cache-Control', 'no-store')
  alive(): { status: 'alive' } {
    return { status: 'alive' };
  }

  /** Ready: 200 when captures can begin, 503 when not; either way it says which part is not ready. */
  @Get('readyz')
  @Described({
    summary: 'Whether captures can begin, and how each part is',
    answers: {
      200: { when: 'they can', ...answerSchema({ status: { const: 'ready' }, parts: PARTS }) },
      503: { when: 'they cannot', ...answerSchema({ status: { const: 'not ready' }, parts: PARTS }) },
    },
  })
  @Header('Cache-Control', 'no-store')
  async ready(
    @Res({ passthrough: true }) response: Response,
  ): Promise<{ status: string } & Pick<ReadinessReport, 'parts'>> {
    const { ready, parts } = await this.readiness.report();
    response.status(ready ? HttpStatus.OK : HttpStatus.SERVICE_UNAVAILABLE);
    return { status: ready ? 'ready' : 'not ready', parts };
  }
}

function answerSchema(properties: Record<string, object>): Omit<AnswerDescription, 'when'> {
  const schema = { type: 'object', properties, required: Object.keys(properties) };
  return { contentType: 'application/json; charset=utf-8', schema };
}
