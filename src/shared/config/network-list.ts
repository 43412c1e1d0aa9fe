import { BlockList, isIPv4, isIPv6 } from 'node:net';
import { addressLiteral } from '../protocol/tcp-endpoint.js';
import { list, type OptionType } from './option-type.js';

interface Network {
  readonly address: string;
  readonly bits: number;
  readonly family: 'ipv4' | 'ipv6';
}

/** Addresses, each with an optional prefix length. Not host names: what they resolve to changes unnoticed. */
export const NETWORKS: OptionType<readonly string[]> = list(
  (items) => items.every((item) => parseNetwork(item) !== undefined),
  'addresses, such as 192.0.2.1, 10.0.0.0/8 or 2001:db8::/32',
);

/**
 * Whether an address is in one of the networks, however a socket shows it.
 *
 * @param texts that `NETWORKS` accepts
 */
export function containedIn(texts: readonly string[]): (address: string) => boolean {
  const networks = new BlockList();
  for (const network of texts.map(parseNetwork)) {
    if (network) networks.addSubnet(network.address, network.bits, network.family);
  }
  return (address) => {
    const literal = addressLiteral(address);
    if (isIPv4(literal)) return networks.check(literal, 'ipv4');
    return isIPv6(literal) && networks.check(literal, 'ipv6');
  };
}

function parseNetwork(text: string): Network | undefined {
  const [, given = '', length] = /^([\da-f:.]+)(?:\/(\d{1,3}))?$/i.exec(text) ?? [];
  const address = addressLiteral(given);
  const family = isIPv4(address) ? 'ipv4' : isIPv6(address) ? 'ipv6' : undefined;
  if (family === undefined) return undefined;
  const maxBits = family === 'ipv4' ? 32 : 128;
  // In ::ffff:192.0.2.0/120, the length counts the bits before the IPv4 address, too.
  const bits = length === undefined ? maxBits : Number(length) - (address === given ? 0 : 96);
  return 0 <= bits && bits <= maxBits ? { address, bits, family } : undefined;
}
