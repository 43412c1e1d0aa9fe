import type { HttpAddress } from '../../shared/http/get-document.js';
import { ListingTargetDirectory } from './listing-target-directory.js';
import { getMobyshark, parseMobyshark, type MobysharkService } from './mobyshark-client.js';

export const GHOSTWIRE_NAME = 'GhostWire';

/** Where GhostWire is, and the limits of a request. */
export interface GhostwireOptions extends Pick<MobysharkService, 'timeoutMs' | 'maxBodyBytes'> {
  /** Host name or IP address of the GhostWire service; an IPv6 address with or without brackets. */
  readonly ghostwireHost: string;
  readonly ghostwirePort: number;
}

/** The address as Node's HTTP client expects it: IPv6 addresses without brackets. */
export function ghostwireAddress({ ghostwireHost, ghostwirePort }: GhostwireOptions): HttpAddress {
  return { host: ghostwireHost.replace(/^\[(.*)\]$/, '$1'), port: ghostwirePort };
}

/**
 * Asks the GhostWire service, which knows the containers, pods, processes and bind mounts of this host. GhostWire
 * scans the host for each request, so its answer is never cached, only shared by concurrent requests.
 */
export class GhostwireTargetDirectory extends ListingTargetDirectory {
  constructor(options: GhostwireOptions) {
    const service = { ...options, name: GHOSTWIRE_NAME, address: ghostwireAddress(options) };
    super(async (signal) =>
      parseMobyshark((await getMobyshark(service, '/mobyshark', signal)).body, GHOSTWIRE_NAME),
    );
  }
}
