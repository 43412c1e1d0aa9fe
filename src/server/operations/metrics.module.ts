import { Module } from '@nestjs/common';
import { ProcessMetrics } from './process-metrics.js';
import { ServiceMetrics } from './service-metrics.js';

/** For those who have something to count. Who gets to see it is up to the OperatorModule. */
@Module({ providers: [ServiceMetrics, ProcessMetrics], exports: [ServiceMetrics] })
export class MetricsModule {}
