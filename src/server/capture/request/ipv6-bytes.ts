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
