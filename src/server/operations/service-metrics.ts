import { Injectable } from '@nestjs/common';
import { Gauge, Registry } from 'prom-client';
import { SERVICE_VERSION } from '../../shared/service-version.js';

/**
 * All metrics of the service. Modules add theirs to the registry: `new Counter({ registers: [metrics.registry], ... })`.
 * Labels must have few values, and none that clients choose.
 *
 * @publicApi
 */
@Injectable()
export class ServiceMetrics {
  /** Not the global registry of prom-client, because a process can run several applications, in tests for example. */
  readonly registry = new Registry();
  /** Concurrent scrapes get the same answer. */
  readonly scrape = oncePerScrape(() => this.registry.metrics());

  constructor() {
    new Gauge({
      name: 'packetflix_info',
      help: 'Always 1; the label is the version of the service',
      labelNames: ['version'],
      registers: [this.registry],
    }).set({ version: SERVICE_VERSION }, 1);
  }
}

/**
 * Lets several metrics share one asynchronous reading. prom-client calls the `collect` functions of all metrics in the
 * same tick: the first call starts the reading, and the others get the same promise.
 */
export function oncePerScrape<Reading>(read: () => Promise<Reading>): () => Promise<Reading> {
  let current: Promise<Reading> | undefined;
  return () => (current ??= read().finally(() => (current = undefined)));
}
