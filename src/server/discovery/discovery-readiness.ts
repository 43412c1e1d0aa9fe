import { Injectable, type OnModuleInit } from '@nestjs/common';
import { DocumentError, getDocument, type HttpAddress } from '../../shared/http/get-document.js';
import { DiscoveryConfig } from '../config/discovery.config.js';
import { ServerEnvironment } from '../../shared/supervisor-link/supervisor-link.js';
import { Readiness, type PartReadiness } from '../operations/readiness.js';
import { DISCOVERER_NAME } from './discoverer-target-directory.js';
import { GHOSTWIRE_NAME, ghostwireAddress } from './ghostwire-target-directory.js';

/** Less than the second that a Kubernetes probe waits by default. */
const TIMEOUT_MS = 800;

/**
 * Adds the discovery of targets to the readiness of the service, as far as the user has configured it: GhostWire where
 * it is configured, the discoverer with `--local-discovery`. Both get the cheapest possible
 * request, since probes come every few seconds; any HTTP answer will do. A probe does not start a discoverer that rests.
 */
@Injectable()
export class DiscoveryReadiness implements OnModuleInit {
  constructor(
    private readonly discovery: DiscoveryConfig,
    private readonly environment: ServerEnvironment,
    private readonly readiness: Readiness,
  ) {}

  onModuleInit(): void {
    const { configured, local } = this.discovery;
    const { discovererSocket: socketPath, requestStart } = this.environment;
    if (configured) this.add('ghostwire', GHOSTWIRE_NAME, ghostwireAddress(this.discovery));
    if (local && socketPath !== undefined) {
      this.add('local-discovery', DISCOVERER_NAME, { socketPath }, requestStart !== undefined);
    }
  }

  private add(part: string, name: string, address: HttpAddress, onDemand = false): void {
    this.readiness.add(part, () => probe(name, address, onDemand));
  }
}

async function probe(name: string, address: HttpAddress, onDemand: boolean): Promise<PartReadiness> {
  try {
    await getDocument({ address, path: '/', method: 'HEAD', timeoutMs: TIMEOUT_MS, maxBodyBytes: 0 });
  } catch (error) {
    if (!(error instanceof DocumentError)) throw error;
    const { reason, code = 'unknown error' } = error;
    // Before it rests, it removes its socket. One that was killed has left it: ECONNREFUSED.
    if (onDemand && code === 'ENOENT') return { ready: true, message: `${name} starts on demand` };
    if (reason === 'timeout') {
      return { ready: false, message: `${name} does not answer within ${TIMEOUT_MS} ms` };
    }
    // Another status than 200 is an answer, too.
    if (reason !== 'status') return { ready: false, message: `${name} cannot be reached (${code})` };
  }
  return { ready: true, message: `${name} answers` };
}
