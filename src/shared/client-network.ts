import { isIPv6 } from 'node:net';
import { addressLiteral } from './protocol/tcp-endpoint.js';

const SUBNET_BYTES = 8;

/**
 * What counts as one client, by the address of its end of the connection: an IPv4 address, or an IPv6 subnet of 64 bits,
 * from which a host takes new addresses at any time (RFC 8981). Link-local addresses, whose subnet all neighbours
 * share, and the loopback address are clients of their own.
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

/** The 16 bytes of an IPv6 address in any notation, without its zone. */
export function ipv6Bytes(address: string): number[] {
  const [withoutZone = ''] = address.split('%', 1);
  // URL writes the IPv4 part of a mapped address in hexadecimal, too.
  const canonical = URL.parse(`http://[${withoutZone}]`)?.hostname.slice(1, -1) ?? '';
  const [head = [], tail = []] = canonical
    .split('::')
    .map((half) => half.split(':').filter((word) => word !== ''));
  const zeros = Array<string>(8 - head.length - tail.length).fill('0');
  return [...head, ...zeros, ...tail]
    .map((word) => parseInt(word, 16))
    .flatMap((word) => [word >> 8, word & 0xff]);
}
