/**
 * Classic BPF programs as bytes: instructions of 8 bytes (code, jump if true, jump if false, constant), see
 * https://www.kernel.org/doc/html/latest/networking/filter.html. Little endian.
 */
const INSTRUCTION_BYTES = 8;
const BPF_RET_K = 0x06;
const BPF_JMP_JA = 0x05;

/** Lets no packet pass: ret #0. */
export const REJECT_ALL: Uint8Array = Uint8Array.of(BPF_RET_K, 0, 0, 0, 0, 0, 0, 0);

/**
 * One program that lets pass what both let pass: where the first one would accept, it goes on with the second.
 */
export function both(first: Uint8Array | undefined, second: Uint8Array | undefined): Uint8Array | undefined {
  if (!first || !second) return first ?? second;
  const joined = Buffer.concat([first, second]);
  for (let offset = 0; offset < first.length; offset += INSTRUCTION_BYTES) {
    if (joined.readUInt16LE(offset) !== BPF_RET_K || joined.readUInt32LE(offset + 4) === 0) continue;
    joined.writeUInt16LE(BPF_JMP_JA, offset);
    joined.writeUInt32LE((first.length - offset) / INSTRUCTION_BYTES - 1, offset + 4);
  }
  return joined;
}
