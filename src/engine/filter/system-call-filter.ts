import { setSystemCallFilter } from '../../shared/linux/libc.js';

/**
 * What a process needs to compile a filter, once its code is loaded: to read a request, to use its memory and its threads,
 * to read the names of services and protocols in /etc, to write the answer, and to end. It cannot open sockets, write
 * files, send signals, start anything, or make memory executable. A number is absent where the architecture has no such
 * call. [x64, arm64], from asm/unistd.h.
 */
const CALLS: Readonly<Record<string, readonly [x64: number | undefined, arm64: number | undefined]>> = {
  read: [0, 63],
  pread64: [17, 67],
  readv: [19, 65],
  write: [1, 64],
  writev: [20, 66],
  close: [3, 57],
  fstat: [5, 80],
  newfstatat: [262, 79],
  statx: [332, 291],
  lseek: [8, 62],
  munmap: [11, 215],
  mremap: [25, 216],
  madvise: [28, 233],
  brk: [12, 214],
  futex: [202, 98],
  epoll_wait: [232, undefined],
  epoll_pwait: [281, 22],
  epoll_ctl: [233, 21],
  rt_sigaction: [13, 134],
  rt_sigprocmask: [14, 135],
  rt_sigreturn: [15, 139],
  restart_syscall: [219, 128],
  sched_yield: [24, 124],
  sched_getaffinity: [204, 123],
  nanosleep: [35, 101],
  clock_nanosleep: [230, 115],
  clock_gettime: [228, 113],
  gettimeofday: [96, 169],
  getrandom: [318, 278],
  getpid: [39, 172],
  gettid: [186, 178],
  getuid: [102, 174],
  geteuid: [107, 175],
  getgid: [104, 176],
  getegid: [108, 177],
  uname: [63, 160],
  exit: [60, 93],
  exit_group: [231, 94],
};

/** Calls that are allowed with certain arguments only. */
const RESTRICTED = {
  mmap: [9, 222],
  mprotect: [10, 226],
  openat: [257, 56],
  fcntl: [72, 25],
  ioctl: [16, 29],
} as const;

const PROT_EXEC = 4;
/** O_WRONLY, O_RDWR, O_CREAT and O_TRUNC. */
const WRITING = 0o1 | 0o2 | 0o100 | 0o1000;
/** F_SETFL: what comes after it may have the kernel send signals. */
const LAST_HARMLESS_FCNTL = 4;
const TCGETS = 0x5401;
const FIONBIO = 0x5421;
const FIOCLEX = 0x5451;

/** AUDIT_ARCH_ of linux/audit.h. */
const AUDIT_ARCHITECTURES: Partial<Record<NodeJS.Architecture, number>> = {
  x64: 0xc000_003e,
  arm64: 0xc000_00b7,
};

/** Operations of bpf(4) and seccomp(2). */
const LOAD_WORD = 0x20;
const JUMP_IF_EQUAL = 0x15;
const JUMP_IF_GREATER = 0x25;
const JUMP_IF_ANY_BIT = 0x45;
const RETURN = 0x06;
/** Offsets in struct seccomp_data; arguments are little-endian words of eight bytes. */
const CALL_NUMBER = 0;
const ARCHITECTURE = 4;
const SECOND_ARGUMENT = 24;
const THIRD_ARGUMENT = 32;
const ALLOW = 0x7fff_0000;
const FAIL = 0x0005_0000;
const EACCES = 13;

/**
 * Restricts all threads of this process to what compiling a filter takes, permanently. An empty network namespace is not
 * enough: the C library asks nscd(8) or systemd-resolved over unix sockets, which are not bound to namespaces.
 *
 * @throws SystemError when the kernel refuses the filter
 */
export function restrictToCompiling(): void {
  setSystemCallFilter(systemCallFilter(process.arch));
}

/** The filter: all other calls fail with EACCES, and so does each call of another ABI, such as that of 32-bit x86. */
export function systemCallFilter(architecture: NodeJS.Architecture): Uint8Array {
  const auditArchitecture = AUDIT_ARCHITECTURES[architecture];
  if (auditArchitecture === undefined) throw new Error(`no filter of system calls for ${architecture}`);
  const at = architecture === 'x64' ? 0 : 1;
  const refused = instruction(RETURN, FAIL | EACCES);
  const allowed = instruction(RETURN, ALLOW);
  /** What to do when the call has this number. */
  const when = (call: number, ...then: Buffer[]): Buffer[] => [
    instruction(JUMP_IF_EQUAL, call, 0, then.length),
    ...then,
  ];
  const without = (bits: number): Buffer[] => [
    instruction(LOAD_WORD, THIRD_ARGUMENT),
    instruction(JUMP_IF_ANY_BIT, bits, 0, 1),
    refused,
    allowed,
  ];
  return Buffer.concat([
    instruction(LOAD_WORD, ARCHITECTURE),
    instruction(JUMP_IF_EQUAL, auditArchitecture, 1, 0),
    refused,
    instruction(LOAD_WORD, CALL_NUMBER),
    ...when(RESTRICTED.mmap[at], ...without(PROT_EXEC)),
    ...when(RESTRICTED.mprotect[at], ...without(PROT_EXEC)),
    ...when(RESTRICTED.openat[at], ...without(WRITING)),
    ...when(
      RESTRICTED.fcntl[at],
      instruction(LOAD_WORD, SECOND_ARGUMENT),
      instruction(JUMP_IF_GREATER, LAST_HARMLESS_FCNTL, 0, 1),
      refused,
      allowed,
    ),
    ...when(
      RESTRICTED.ioctl[at],
      instruction(LOAD_WORD, SECOND_ARGUMENT),
      ...[TCGETS, FIONBIO, FIOCLEX].flatMap((request) => when(request, allowed)),
      refused,
    ),
    ...Object.values(CALLS).flatMap((numbers) => {
      const call = numbers[at];
      return call === undefined ? [] : when(call, allowed);
    }),
    refused,
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
