import { isIPv4, isIPv6 } from 'node:net';
import { MAX_EXCLUSIONS, type TcpEndpoint } from '../../../shared/protocol/protocol.js';
import { addressLiteral } from '../../http/own-connection.js';

/** `192.0.2.1`, `192.0.2.1:443`, `[2001:db8::1]` or `[2001:db8::1]:443`; not yet whether it is an address. */
const ADDRESS = /^(?:\[(?<v6>[\da-f:.]+)\]|(?<v4>[\d.]+))(?::(?<port>\d+))?$/i;
const PORT = /^[1-9]\d{0,4}$/;
const MAX_PORT = 65_535;

/**
 * One endpoint of TCP connections as an operator writes it: port, address, or both. Numbers only: names would change
 * their meaning unseen, and asking for them takes time.
 *
 * @returns undefined where the text is none
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

/** Whether the option is right: nothing but endpoints, and no more than can be left out. */
export function isListOfEndpoints(texts: readonly string[]): boolean {
  return texts.length <= MAX_EXCLUSIONS && texts.every((text) => parseEndpoint(text) !== undefined);
}

/** The endpoints of an option that is right, each once. */
export function endpointsFrom(texts: readonly string[]): TcpEndpoint[] {
  const endpoints = texts.map(parseEndpoint).filter((endpoint) => endpoint !== undefined);
  return [...new Map(endpoints.map((endpoint) => [endpointText(endpoint), endpoint])).values()];
}

/** An endpoint as people write it. */
export function endpointText({ address, port }: TcpEndpoint): string {
  if (address === undefined) return String(port);
  if (port === undefined) return address;
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
