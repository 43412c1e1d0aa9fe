import { Injectable } from '@nestjs/common';
import { Gauge, Registry } from 'prom-client';
import { SERVICE_VERSION } from '../../shared/service-version.js';

/** Brings metrics up to date that are not counted as things happen. */
type Refresh = () => void | Promise<void>;

/**
 * All metrics of the service. Parts add theirs to the registry in `onModuleInit`, and teams may, too:
 * `new Counter({ registers: [metrics.registry], ... })`. Labels must have few values: nothing that clients choose.
 *
 * @publicApi
 */
@Injectable()
export class ServiceMetrics {
  /** Of our own, not the library's global one: there may be several applications in a process, in tests for one. */
  readonly registry = new Registry();
  private readonly refreshes: Refresh[] = [];
  private running?: Promise<string>;

  constructor() {
    new Gauge({
      name: 'packetflix_info',
      help: 'Always 1; the label tells the version of the service',
      labelNames: ['version'],
      registers: [this.registry],
    }).set({ version: SERVICE_VERSION }, 1);
  }

  /** @param refresh called before metrics are told; it must not throw, and take less than a second */
  beforeTelling(refresh: Refresh): void {
    this.refreshes.push(refresh);
  }

  /** The metrics in Prometheus' text format. Those who ask at the same time get the same. */
  tell(): Promise<string> {
    this.running ??= this.gather().finally(() => (this.running = undefined));
    return this.running;
  }

  private async gather(): Promise<string> {
    await Promise.all(this.refreshes.map(async (refresh) => await refresh()));
    return await this.registry.metrics();
  }
}
