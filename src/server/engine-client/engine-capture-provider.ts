import { Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import type { ServerEnvironment } from '../config/server-environment.js';
import { CaptureError } from '../../shared/protocol/capture-error.js';
import { CaptureProvider, type Capture } from '../capture/capture-provider.js';
import type { CaptureSpec } from '../../shared/protocol/capture-spec.js';
import type { Readiness } from '../operations/readiness.js';
import type { ServiceMetrics } from '../operations/service-metrics.js';
import { EngineLink } from './engine-link.js';
import { addEngineMetrics } from './engine-metrics.js';
import { engineReadiness } from './engine-readiness.js';

/** Engines start within half a second; after a crash they are back as soon. */
const ENGINE_WAIT_MS = 10_000;

/** Captures with libpcap, in engine processes on the privileged side, which share the captures among them. */
@Injectable()
export class EngineCaptureProvider extends CaptureProvider implements OnModuleInit, OnApplicationShutdown {
  private readonly links: EngineLink[];

  /**
   * @param readiness gets to know whether captures can begin
   * @param metrics gets to know what the engines do
   * @param mostInFlightBytes that are read of a capture before its reader is done with them
   */
  constructor(
    { sockets }: Pick<ServerEnvironment, 'sockets'>,
    private readonly readiness?: Readiness,
    private readonly metrics?: ServiceMetrics,
    mostInFlightBytes?: number,
  ) {
    super();
    this.links = sockets.map((path) => new EngineLink(path, mostInFlightBytes));
  }

  onModuleInit(): void {
    for (const [part, check] of engineReadiness(this.links)) this.readiness?.add(part, check);
    if (this.metrics) addEngineMetrics(this.links, this.metrics);
    for (const link of this.links) link.connect();
  }

  onApplicationShutdown(): void {
    for (const link of this.links) link.close();
  }

  override async open(request: CaptureSpec, signal: AbortSignal): Promise<Capture> {
    const ready = this.links.filter((link) => link.connected);
    const link = ready.length > 0 ? leastBusy(ready) : await this.firstReady(signal);
    return link.start(request, signal);
  }

  /** @throws CaptureError when no engine is there in time */
  private async firstReady(signal: AbortSignal): Promise<EngineLink> {
    const patience = AbortSignal.any([signal, AbortSignal.timeout(ENGINE_WAIT_MS)]);
    try {
      return await Promise.any(this.links.map((link) => link.whenConnected(patience)));
    } catch (error) {
      throw new CaptureError('internal', 'the capture engine is not available', { cause: error });
    }
  }
}

function leastBusy(links: readonly EngineLink[]): EngineLink {
  return links.reduce((least, each) => (each.captures < least.captures ? each : least));
}
