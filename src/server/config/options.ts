import type { CaptureConfig } from './capture.config.js';
import type { DiscoveryConfig } from './discovery.config.js';
import type { ServerEnvironment } from './server-environment.js';
import type { ServiceConfig } from './service.config.js';

/** Everything that can be set from outside, one configuration per concern; validated. */
export interface Options {
  readonly service: ServiceConfig;
  readonly capture: CaptureConfig;
  readonly discovery: DiscoveryConfig;
  readonly engine: ServerEnvironment;
}
