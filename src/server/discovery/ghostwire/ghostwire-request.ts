import { getDocument } from '../http-document.js';

/** Where GhostWire is, and what it may cost to ask it. */
export interface GhostwireOptions {
  /** Host name or IP address of the GhostWire service. */
  readonly service: string;
  readonly gwPort: number;
  /** For the whole exchange, from the connect to the last byte of the body. */
  readonly timeoutMs?: number;
  readonly maxBodyBytes?: number;
}

/** As Node's HTTP client takes it: IPv6 addresses without their brackets. */
export function ghostwireAddress({ service, gwPort }: GhostwireOptions): { host: string; port: number } {
  return { host: service.replace(/^\[(.*)\]$/, '$1'), port: gwPort };
}

/**
 * Gets a document from GhostWire, as text.
 *
 * @param signal gives up; the promise then rejects with its reason
 * @throws TargetDirectoryError telling unreachable, timed out, HTTP status, too large and broken off apart
 */
export function getFromGhostwire(
  options: GhostwireOptions,
  path: string,
  signal: AbortSignal,
): Promise<string> {
  const { service, gwPort, ...limits } = options;
  const connection = ghostwireAddress(options);
  const where = `${service} port ${gwPort}`;
  return getDocument({ who: 'GhostWire', where, connection, path, ...limits }, signal);
}
