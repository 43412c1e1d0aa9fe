import { systemCallFilter } from './system-call-filter.js';

/** From linux/elf-em.h and linux/audit.h. */
const [EM_X86_64, EM_AARCH64, EM_386] = [62, 183, 3];
const AUDIT_ARCH_64BIT_LE = 0xc000_0000;
const [ALLOW, ERRNO_EACCES] = [0x7fff_0000, 0x0005_000d];
const X32_BIT = 0x4000_0000;

/** Interprets the operations of bpf(4) that the filter uses, on a `struct seccomp_data`. */
function run(program: Uint8Array, auditArch: number, call: number, ...args: number[]): number {
  const instructions = Buffer.from(program);
  const data = [call, auditArch, 0, 0, ...args.flatMap((arg) => [arg, 0])];
  let accumulator = 0;
  for (let index = 0; ; index++) {
    const operation = instructions.readUInt16LE(8 * index);
    const operand = instructions.readUInt32LE(8 * index + 4);
    const jump = (holds: boolean): number => instructions.readUInt8(8 * index + (holds ? 2 : 3));
    if (operation === 0x06) return operand;
    if (operation === 0x20) accumulator = data[operand / 4] ?? 0;
    else if (operation === 0x15) index += jump(accumulator === operand);
    else if (operation === 0x25) index += jump(accumulator > operand);
    else if (operation === 0x45) index += jump((accumulator & operand) !== 0);
    else throw new Error(`operation ${operation}`);
  }
}

describe.each([
  [
    'x64',
    AUDIT_ARCH_64BIT_LE + EM_X86_64,
    { read: 0, exit: 231, mmap: 9, mprotect: 10, openat: 257, fcntl: 72, ioctl: 16 },
    {
      open: 2,
      socket: 41,
      connect: 42,
      clone: 56,
      execve: 59,
      kill: 62,
      ptrace: 101,
      writevProcess: 311,
      prctl: 157,
    },
  ],
  [
    'arm64',
    AUDIT_ARCH_64BIT_LE + EM_AARCH64,
    { read: 63, exit: 94, mmap: 222, mprotect: 226, openat: 56, fcntl: 25, ioctl: 29 },
    {
      socket: 198,
      connect: 203,
      clone: 220,
      execve: 221,
      kill: 129,
      ptrace: 117,
      writevProcess: 271,
      prctl: 167,
    },
  ],
] as const)('systemCallFilter on %s', (architecture, auditArch, allowed, forbidden) => {
  const program = systemCallFilter(architecture);
  const result = (call: number, ...args: number[]): number => run(program, auditArch, call, ...args);

  it('allows reading and the end of the process', () => {
    for (const call of [allowed.read, allowed.exit]) expect(result(call)).toBe(ALLOW);
  });

  it('forbids what could reach other processes, and io_uring', () => {
    const ioUring = { setup: 425, enter: 426, register: 427 };
    const pidfd = { open: 434, getfd: 438, signal: 424 };
    const calls = { ...forbidden, ...ioUring, ...pidfd, clone3: 435, openat2: 437, seccomp: 10_000 };
    for (const call of Object.values(calls)) expect(result(call)).toBe(ERRNO_EACCES);
  });

  it('allows memory that is not executable', () => {
    for (const call of [allowed.mmap, allowed.mprotect]) {
      expect(result(call, 0, 4096, 3)).toBe(ALLOW);
      expect(result(call, 0, 4096, 5)).toBe(ERRNO_EACCES);
    }
  });

  it('allows reading files, and no other way to open them', () => {
    expect(result(allowed.openat, 0, 0, 0o2000000)).toBe(ALLOW);
    for (const flags of [0o1, 0o2, 0o100, 0o1001, 0o20200002]) {
      expect(result(allowed.openat, 0, 0, flags)).toBe(ERRNO_EACCES);
    }
  });

  it('forbids to have the kernel send signals', () => {
    const [F_SETFL, F_SETOWN, FIONBIO, FIOASYNC, TIOCSTI] = [4, 8, 0x5421, 0x5452, 0x5412];
    expect(result(allowed.fcntl, 1, F_SETFL)).toBe(ALLOW);
    expect(result(allowed.fcntl, 1, F_SETOWN)).toBe(ERRNO_EACCES);
    expect(result(allowed.ioctl, 1, FIONBIO)).toBe(ALLOW);
    for (const request of [FIOASYNC, TIOCSTI]) expect(result(allowed.ioctl, 1, request)).toBe(ERRNO_EACCES);
  });

  it('forbids all calls of another ABI, whose numbers mean something else', () => {
    expect(run(program, 0x4000_0000 + EM_386, allowed.read)).toBe(ERRNO_EACCES);
    expect(result(X32_BIT + allowed.read)).toBe(ERRNO_EACCES);
  });
});
