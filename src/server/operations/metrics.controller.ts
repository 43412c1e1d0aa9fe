import { Controller, Get, Header, UseGuards } from '@nestjs/common';
import { Registry } from 'prom-client';
import { OperatorPortGuard } from './operator-port.js';
import { ServiceMetrics } from './service-metrics.js';

@Controller()
@UseGuards(OperatorPortGuard)
export class MetricsController {
  constructor(private readonly metrics: ServiceMetrics) {}

  /** Text, as described in https://prometheus.io/docs/instrumenting/exposition_formats/ */
  @Get('metrics')
  @Header('Content-Type', Registry.PROMETHEUS_CONTENT_TYPE)
  @Header('Cache-Control', 'no-store')
  scrape(): Promise<string> {
    return this.metrics.scrape();
  }
}
