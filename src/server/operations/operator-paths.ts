import type { Type } from '@nestjs/common';
import { HealthController } from './health.controller.js';
import { Readiness } from './readiness.js';
import { MetricsController } from './metrics.controller.js';
import { ServiceMetrics } from './service-metrics.js';

/** Everything that answers operators. */
export const OPERATOR_CONTROLLERS: readonly Type[] = [HealthController, MetricsController];

/** What those controllers need of the application, should they run in one of their own. */
export const OPERATOR_FACTS: readonly Type[] = [Readiness, ServiceMetrics];
