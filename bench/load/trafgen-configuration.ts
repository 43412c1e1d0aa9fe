const ETHERNET_BYTES = 14;
const IPV4_BYTES = 20;
const UDP_BYTES = 8;

/** The same frame that sender.c sends, in the language of trafgen(8). */
export function trafgenConfiguration(frameBytes: number): string {
  const ipBytes = frameBytes - ETHERNET_BYTES;
  const datagramBytes = ipBytes - IPV4_BYTES;
  return `{
  0x02, 0, 0, 0, 0, 2, 0x02, 0, 0, 0, 0, 1, 0x08, 0x00,
  0x45, 0, c16(${ipBytes}), c16(0), c16(0), 64, 17, csumip(14, 33), 192, 0, 2, 1, 192, 0, 2, 2,
  c16(40000), c16(9), c16(${datagramBytes}), c16(0),
  fill(0x5a, ${datagramBytes - UDP_BYTES})
}
`;
}
