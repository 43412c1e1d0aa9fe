import { MAX_SNAPSHOT_LENGTH } from '../../shared/protocol/limits.js';

/**
 * Classic BPF programs as bytes: instructions of 8 bytes (code, jump if true, jump if false, constant), see
 * https://www.kernel.org/doc/html/latest/networking/filter.html. Little endian.
 */
const INSTRUCTION_BYTES = 8;
const BPF_RET_K = 0x06;
const BPF_JMP_JA = 0x05;
/** The load class, and its modes: from a constant offset, or from an offset that is added to the index register. */
const BPF_LD = 0x00;
const BPF_ABS = 0x20;
const BPF_IND = 0x40;
/** Loads of the index register: any, from the accumulator, or with the length of an IPv4 header. */
const BPF_LDX = 0x01;
const BPF_TAX = 0x07;
const BPF_LDX_MSH = 0xb1;
const MAX_IP_HEADER_BYTES = 60;

/** Rejects every packet: ret #0. */
export const REJECT_ALL: Uint8Array = Uint8Array.of(BPF_RET_K, 0, 0, 0, 0, 0, 0, 0);

/** Accepts every packet: ret #1; the length to keep replaces the 1. */
const ACCEPT_ALL: Uint8Array = Uint8Array.of(BPF_RET_K, 0, 0, 0, 1, 0, 0, 0);

/**
 * A program that accepts the packets that both programs accept: where the first accepts, it continues with the second.
 */
export function andPrograms(
  first: Uint8Array | undefined,
  second: Uint8Array | undefined,
): Uint8Array | undefined {
  if (!first || !second) return first ?? second;
  const joined = Buffer.concat([first, second]);
  for (let offset = 0; offset < first.length; offset += INSTRUCTION_BYTES) {
    if (joined.readUInt16LE(offset) !== BPF_RET_K || joined.readUInt32LE(offset + 4) === 0) continue;
    joined.writeUInt16LE(BPF_JMP_JA, offset);
    joined.writeUInt32LE((first.length - offset) / INSTRUCTION_BYTES - 1, offset + 4);
  }
  return joined;
}

/**
 * A program that accepts the same packets and has the kernel keep at most the snapshot length of each, but no less than the
 * program itself may read: libpcap runs it again on the kept bytes until it has read the packets that were in the
 * ring before (`blocks_to_filter_in_userland` in its pcap-linux.c). CaptureLimiter truncates what is longer.
 *
 * @returns `program` when nothing needs to be truncated in the kernel
 */
export function withSnaplen(program: Uint8Array | undefined, snapshotLength: number): Uint8Array | undefined {
  const cut = Buffer.from(program ?? ACCEPT_ALL);
  const keptBytes = Math.max(snapshotLength, reach(cut));
  if (keptBytes >= MAX_SNAPSHOT_LENGTH) return program;
  for (let offset = 0; offset < cut.length; offset += INSTRUCTION_BYTES) {
    if (cut.readUInt16LE(offset) !== BPF_RET_K || cut.readUInt32LE(offset + 4) === 0) continue;
    // The return value of a program is the number of bytes to keep.
    cut.writeUInt32LE(keptBytes, offset + 4);
  }
  return cut;
}

/** Number of bytes of a packet that a program may read; Infinity where it computes an offset. */
function reach(program: Buffer): number {
  let reached = 0;
  let byIndex = 0;
  let maxIndex = 0;
  for (let offset = 0; offset < program.length; offset += INSTRUCTION_BYTES) {
    const code = program.readUInt16LE(offset);
    const constant = program.readUInt32LE(offset + 4);
    if (code === BPF_LDX_MSH) {
      reached = Math.max(reached, constant + 1);
      maxIndex = Math.max(maxIndex, MAX_IP_HEADER_BYTES);
    } else if ((code & 0x07) === BPF_LDX || code === BPF_TAX) {
      maxIndex = Infinity;
    } else if ((code & 0x07) === BPF_LD) {
      // At most four bytes: word, half word or byte.
      if ((code & 0xe0) === BPF_ABS) reached = Math.max(reached, constant + 4);
      if ((code & 0xe0) === BPF_IND) byIndex = Math.max(byIndex, constant + 4);
    }
  }
  return Math.max(reached, byIndex === 0 ? 0 : byIndex + maxIndex);
}
