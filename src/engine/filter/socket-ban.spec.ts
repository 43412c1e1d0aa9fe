import { SECCOMP_ARCHITECTURES, socketBan } from './socket-ban.js';

/** From linux/elf-em.h and linux/audit.h. */
const [EM_X86_64, EM_AARCH64, EM_386] = [62, 183, 3];
const AUDIT_ARCH_64BIT_LE = 0xc000_0000;
const [ALLOW, ERRNO_EACCES] = [0x7fff_0000, 0x0005_000d];

/** Interprets the operations of bpf(4) that the filter uses, on a `struct seccomp_data`. */
function run(program: Uint8Array, call: number, auditArch: number): number {
  const instructions = Buffer.from(program);
  const data = [call, auditArch];
  let accumulator = 0;
  for (let index = 0; ; index++) {
    const operation = instructions.readUInt16LE(8 * index);
    const operand = instructions.readUInt32LE(8 * index + 4);
    if (operation === 0x06) return operand;
    if (operation === 0x20) accumulator = data[operand / 4]!;
    else if (operation === 0x15)
      index += instructions.readUInt8(8 * index + (accumulator === operand ? 2 : 3));
    else throw new Error(`operation ${operation}`);
  }
}

describe('SECCOMP_ARCHITECTURES', () => {
  it('has the numbers of linux/audit.h and asm/unistd.h', () => {
    expect(SECCOMP_ARCHITECTURES).toEqual({
      x64: { auditArch: AUDIT_ARCH_64BIT_LE + EM_X86_64, socketCall: 41 },
      arm64: { auditArch: AUDIT_ARCH_64BIT_LE + EM_AARCH64, socketCall: 198 },
    });
  });
});

describe('socketBan', () => {
  it.each(Object.entries(SECCOMP_ARCHITECTURES))('forbids socket(2) and nothing else on %s', (_, known) => {
    const program = socketBan(known.auditArch, known.socketCall);
    expect(run(program, known.socketCall, known.auditArch)).toBe(ERRNO_EACCES);
    for (const call of [0, known.socketCall - 1, known.socketCall + 1, 436]) {
      expect(run(program, call, known.auditArch)).toBe(ALLOW);
    }
  });

  it('forbids all calls of another ABI, whose numbers mean something else', () => {
    const { auditArch, socketCall } = SECCOMP_ARCHITECTURES.x64!;
    expect(run(socketBan(auditArch, socketCall), 0, 0x4000_0000 + EM_386)).toBe(ERRNO_EACCES);
  });
});
