import { ConfigurableModuleBuilder, Module } from '@nestjs/common';
import { HealthController } from './health.controller.js';
import { MetricsController } from './metrics.controller.js';
import { OPERATIONS_OPTIONS, OperatorPort, type OperationsModuleOptions } from './operator-port.js';
import { ProcessMetrics } from './process-metrics.js';
import { Readiness } from './readiness.js';
import { ServiceMetrics } from './service-metrics.js';

const { ConfigurableModuleClass } = new ConfigurableModuleBuilder<OperationsModuleOptions>({
  optionsInjectionToken: OPERATIONS_OPTIONS,
})
  .setClassMethodName('forRoot')
  .setExtras({}, (definition) => ({ ...definition, global: true }))
  .build();

/**
 * Serves `/healthz`, `/readyz` and `/metrics`, and provides `Readiness` and `ServiceMetrics` to all modules.
 *
 * @publicApi
 */
@Module({
  controllers: [HealthController, MetricsController],
  providers: [Readiness, ServiceMetrics, ProcessMetrics, OperatorPort],
  exports: [Readiness, ServiceMetrics, OperatorPort],
})
export class OperationsModule extends ConfigurableModuleClass {}
