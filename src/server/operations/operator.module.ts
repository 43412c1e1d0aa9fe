import { Module } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import type { Options } from '../../shared/config/parse-command-line.js';
import { HealthModule } from './health.module.js';
import { MetricsModule } from './metrics.module.js';
import { OperatorListener } from './operator-listener.js';
import { OPERATOR_CONTROLLERS } from './operator-paths.js';
import { operatorPlace } from './operator-place.js';

/**
 * The paths for operators, `/healthz`, `/readyz` and `/metrics`: beside the other paths, on a port of their own, or not at all.
 *
 * @publicApi
 */
@Module({ imports: [HealthModule, MetricsModule] })
export class OperatorModule {
  static register({ service }: Options): DynamicModule {
    const place = operatorPlace(service);
    switch (place.kind) {
      case 'same-port':
        return { module: OperatorModule, controllers: [...OPERATOR_CONTROLLERS] };
      case 'own-port':
        return { module: OperatorModule, providers: [OperatorListener] };
      case 'nowhere':
        return { module: OperatorModule };
    }
  }
}
