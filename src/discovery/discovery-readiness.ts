import { Injectable, type OnModuleInit } from '@nestjs/common';
import { DiscoveryConfig } from '../config/discovery.config.js';
import { EngineConfig } from '../config/engine.config.js';
import { Readiness, type PartReadiness } from '../health/readiness.js';
import { ghostwireAddress } from './ghostwire/ghostwire-request.js';
import { whyNoAnswer, type HttpAddress } from './http-answer.js';
import { FINDER_NAME } from './local/finder.js';

/**
 * Adds what finds capture targets to the readiness of the service, as far as the user has asked for it: GhostWire where
 * he has named it or lets us proxy it, the discovery process with `--local-discovery`. Both are asked for as little
 * as possible, since probes come every few seconds: any answer will do.
 */
@Injectable()
export class DiscoveryReadiness implements OnModuleInit {
  constructor(
    private readonly discovery: DiscoveryConfig,
    private readonly engine: EngineConfig,
    private readonly readiness: Readiness,
  ) {}

  onModuleInit(): void {
    const { configured, proxy, local } = this.discovery;
    const { discoverySocket: socketPath } = this.engine;
    if (configured || proxy) this.add('ghostwire', 'GhostWire', ghostwireAddress(this.discovery));
    if (local && socketPath !== undefined) this.add('local-discovery', FINDER_NAME, { socketPath });
  }

  private add(part: string, who: string, address: HttpAddress): void {
    this.readiness.add(part, async (): Promise<PartReadiness> => {
      const why = await whyNoAnswer(address);
      return why === undefined
        ? { ready: true, message: `${who} answers` }
        : { ready: false, message: `${who} ${why}` };
    });
  }
}
