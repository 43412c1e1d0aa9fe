import { isIPv6 } from 'node:net';
import { ipv6Bytes } from './ipv6-bytes.js';
import { addressLiteral } from '../../../shared/protocol/tcp-endpoint.js';

const SUBNET_BYTES = 8;

/**
 * What counts as one client, by the address of its side of the connection: an IPv4 address, and with IPv6 the subnet
 * of 64 bits, which one machine has for itself: it takes a new address from it whenever it likes (RFC 8981).
 * Link-local addresses, which all neighbours have from the same subnet, and the loopback address stand for themselves.
 */
export function clientNetwork(address: string): string {
  const literal = addressLiteral(address);
  if (!isIPv6(literal)) return literal;
  const bytes = ipv6Bytes(literal);
  const subnet = bytes.slice(0, SUBNET_BYTES);
  if (isLinkLocal(subnet)) return address;
  if (bytes.every((byte, index) => byte === (index === 15 ? 1 : 0))) return literal;
  const words = Array.from({ length: SUBNET_BYTES / 2 }, (_, index) =>
    ((subnet[2 * index]! << 8) | subnet[2 * index + 1]!).toString(16),
  );
  return `${words.join(':')}::/64`;
}

/** fe80::/10 */
function isLinkLocal([first = 0, second = 0]: readonly number[]): boolean {
  return first === 0xfe && (second & 0xc0) === 0x80;
}
