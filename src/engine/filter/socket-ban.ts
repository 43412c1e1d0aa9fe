import { setSystemCallFilter } from '../../shared/linux/libc.js';

/** Numbers of an architecture: AUDIT_ARCH_ of linux/audit.h, and that of socket(2) in asm/unistd.h. */
export const SECCOMP_ARCHITECTURES: Partial<
  Record<NodeJS.Architecture, { readonly auditArch: number; readonly socketCall: number }>
> = {
  x64: { auditArch: 0xc000_003e, socketCall: 41 },
  arm64: { auditArch: 0xc000_00b7, socketCall: 198 },
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
 * Prevents this thread from opening sockets of any kind, permanently. An empty network namespace is not enough to prevent name
 * lookups: the C library asks nscd(8) or systemd-resolved over unix sockets, which are not bound to namespaces.
 *
 * @throws SystemError when the kernel refuses the filter
 */
export function banSockets(): void {
  const known = SECCOMP_ARCHITECTURES[process.arch];
  if (!known) throw new Error(`cannot ban sockets on ${process.arch}`);
  setSystemCallFilter(socketBan(known.auditArch, known.socketCall));
}

/** The filter: socket(2) answers EACCES, and so does each call of another ABI of the machine, such as 32-bit x86. */
export function socketBan(auditArch: number, socketCall: number): Uint8Array {
  return Buffer.concat([
    instruction(LOAD_WORD, ARCHITECTURE),
    instruction(JUMP_IF_EQUAL, auditArch, 0, 2),
    instruction(LOAD_WORD, CALL_NUMBER),
    instruction(JUMP_IF_EQUAL, socketCall, 0, 1),
    instruction(RETURN, FAIL | EACCES),
    instruction(RETURN, ALLOW),
  ]);
}

/** A `struct sock_filter`: operation, instructions to skip if true and if false, and the operand. */
function instruction(operation: number, operand: number, ifTrue = 0, ifFalse = 0): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt16LE(operation, 0);
  bytes.writeUInt8(ifTrue, 2);
  bytes.writeUInt8(ifFalse, 3);
  bytes.writeUInt32LE(operand, 4);
  return bytes;
}
