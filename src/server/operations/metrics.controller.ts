import { Controller, Get, Header } from '@nestjs/common';
import { Registry } from 'prom-client';
import { Described } from '../http/described.js';
import { ServiceMetrics } from './service-metrics.js';

/** What Prometheus collects. */
@Controller()
export class MetricsController {
  constructor(private readonly metrics: ServiceMetrics) {}

  /** Text, as of https://prometheus.io/docs/instrumenting/exposition_formats/ */
  @Get('metrics')
  @Described({
    summary: 'What the service does, for Prometheus',
    answers: {
      200: { when: 'always', contentType: Registry.PROMETHEUS_CONTENT_TYPE, schema: { type: 'string' } },
    },
  })
  @Header('Content-Type', Registry.PROMETHEUS_CONTENT_TYPE)
  @Header('Cache-Control', 'no-store')
  tell(): Promise<string> {
    return this.metrics.tell();
  }
}
