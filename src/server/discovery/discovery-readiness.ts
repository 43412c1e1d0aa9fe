import { Injectable, type OnModuleInit } from '@nestjs/common';
import { DiscoveryConfig } from '../config/discovery.config.js';
import { ServerEnvironment } from '../config/server-environment.js';
import { Readiness, type PartReadiness } from '../operations/readiness.js';
import { ghostwireAddress } from './ghostwire/ghostwire-request.js';
import { whyNoAnswer, type HttpAddress } from './http-answer.js';
import { DISCOVERER_NAME } from './local/discoverer-request.js';

/**
 * Adds what finds capture targets to the readiness of the service, as far as the user has asked for it: GhostWire where
 * he has named it or lets us proxy it, the discoverer with `--local-discovery`. Both are asked for as little
 * as possible, since probes come every few seconds: any answer will do.
 */
@Injectable()
export class DiscoveryReadiness implements OnModuleInit {
  constructor(
    private readonly discovery: DiscoveryConfig,
    private readonly engine: ServerEnvironment,
    private readonly readiness: Readiness,
  ) {}

  onModuleInit(): void {
    const { configured, proxy, local } = this.discovery;
    const { discovererSocket: socketPath } = this.engine;
    if (configured || proxy) this.add('ghostwire', 'GhostWire', ghostwireAddress(this.discovery));
    if (local && socketPath !== undefined) this.add('local-discovery', DISCOVERER_NAME, { socketPath });
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
