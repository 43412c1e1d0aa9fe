import { isIPv4, isIPv6 } from 'node:net';
import { MAX_EXCLUSIONS, type TcpEndpoint } from './capture-spec.js';

/** `192.0.2.1`, `192.0.2.1:443`, `[2001:db8::1]` or `[2001:db8::1]:443`; whether the address is valid is checked later. */
const ADDRESS = /^(?:\[(?<v6>[\da-f:.]+)\]|(?<v4>[\d.]+))(?::(?<port>\d+))?$/i;
const PORT = /^[1-9]\d{0,4}$/;
const MAX_PORT = 65_535;

/**
 * Parses an endpoint of TCP connections as an operator writes it: a port, an address, or both. Host names are not
 * accepted, because what they resolve to changes unnoticed and resolving them takes time.
 *
 * @returns undefined when the text is not an endpoint
 */
export function parseEndpoint(text: string): TcpEndpoint | undefined {
  if (isPort(text)) return { port: Number(text) };
  if (isIPv6(text) && !text.includes('%')) return { address: addressLiteral(text) };
  const { v4, v6, port } = ADDRESS.exec(text)?.groups ?? {};
  if (port !== undefined && !isPort(port)) return undefined;
  if (!isIPv4(v4 ?? '') && !isIPv6(v6 ?? '')) return undefined;
  const address = addressLiteral(v4 ?? v6 ?? '');
  return port === undefined ? { address } : { address, port: Number(port) };
}

function isPort(text: string): boolean {
  return PORT.test(text) && Number(text) <= MAX_PORT;
}

/** Whether all texts are endpoints, and at most as many as a capture can exclude. */
export function isListOfEndpoints(texts: readonly string[]): boolean {
  return texts.length <= MAX_EXCLUSIONS && texts.every((text) => parseEndpoint(text) !== undefined);
}

/** Parses texts that `isListOfEndpoints` accepts; duplicates are removed. */
export function endpointsFrom(texts: readonly string[]): TcpEndpoint[] {
  const endpoints = texts.map(parseEndpoint).filter((endpoint) => endpoint !== undefined);
  return [...new Map(endpoints.map((endpoint) => [endpointText(endpoint), endpoint])).values()];
}

/** Formats an endpoint the way that `parseEndpoint` reads it. */
export function endpointText({ address, port }: TcpEndpoint): string {
  if (address === undefined) return String(port);
  if (port === undefined) return address;
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/**
 * An address as it stands in packets: without the `::ffff:` by which a dual-stack socket shows an IPv4 address, and
 * without the zone (`%eth0`) of a link-local address.
 */
export function addressLiteral(address: string): string {
  const [withoutZone = ''] = address.split('%', 1);
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(withoutZone)?.[1];
  return mapped !== undefined && isIPv6(withoutZone) ? mapped : withoutZone;
}
