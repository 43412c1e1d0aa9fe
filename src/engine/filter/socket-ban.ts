import { setSystemCallFilter } from '../../shared/linux/libc.js';

/** How the kernel calls an architecture (linux/audit.h), and its number of socket(2) (asm/unistd.h). */
const ARCHITECTURES: Partial<Record<NodeJS.Architecture, readonly [audit: number, socketCall: number]>> = {
  x64: [0xc000_003e, 41],
  arm64: [0xc000_00b7, 198],
  riscv64: [0xc000_00f3, 198],
  loong64: [0xc000_0102, 198],
  ppc64: [0xc000_0015, 326],
  arm: [0x4000_0028, 281],
};

/** Operations of bpf(4) and seccomp(2). */
const LOAD_WORD = 0x20;
const JUMP_IF_EQUAL = 0x15;
const RETURN = 0x06;
/** Offsets in struct seccomp_data. */
const CALL_NUMBER = 0;
const ARCHITECTURE = 4;
const ALLOW = 0x7fff_0000;
const FAIL = 0x0005_0000;
const EACCES = 13;

/**
 * Keeps this thread from opening sockets of any kind, for good. An empty network namespace alone does not keep names
 * from being looked up: the C library asks nscd(8) or systemd-resolved by unix sockets, which know no namespaces.
 *
 * @throws Error when the kernel does not do it, or the machine is none that we know
 */
export function banSockets(): void {
  const known = ARCHITECTURES[process.arch];
  if (!known) throw new Error(`cannot ban sockets on ${process.arch}`);
  const [audit, socketCall] = known;
  setSystemCallFilter(
    Buffer.concat([
      instruction(LOAD_WORD, ARCHITECTURE),
      instruction(JUMP_IF_EQUAL, audit, 0, 2),
      instruction(LOAD_WORD, CALL_NUMBER),
      instruction(JUMP_IF_EQUAL, socketCall, 0, 1),
      instruction(RETURN, FAIL | EACCES),
      instruction(RETURN, ALLOW),
    ]),
  );
}

/** A `struct sock_filter`: what to do, how many to skip if true and if not, and the operand. */
function instruction(operation: number, operand: number, ifTrue = 0, ifFalse = 0): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt16LE(operation, 0);
  bytes.writeUInt8(ifTrue, 2);
  bytes.writeUInt8(ifFalse, 3);
  bytes.writeUInt32LE(operand, 4);
  return bytes;
}
