/**
 * The functions of the C library that the engine needs and Node does not offer. Names and parameters are those
 * of the manual pages; each throws a SystemError that names the call, so no return code goes unseen.
 */
import koffi from 'koffi';
import { getSystemErrorMap } from 'node:util';

const libc = koffi.load(null);

/** struct sock_fprog, a classic BPF program. Without a name: names of koffi types are one for the process. */
const sockFprog = koffi.struct({ len: 'unsigned short', filter: 'void *' });

const c = {
  setns: libc.func('int setns(int fd, int nstype)'),
  socket: libc.func('int socket(int domain, int type, int protocol)'),
  bind: libc.func('int bind(int fd, const void *address, uint32_t length)'),
  send: libc.func('intptr_t send(int fd, const void *buffer, size_t length, int flags)'),
  recv: libc.func('intptr_t recv(int fd, _Out_ void *buffer, size_t length, int flags)'),
  getsockopt: libc.func(
    'int getsockopt(int fd, int level, int name, _Out_ void *value, _Inout_ uint32_t *length)',
  ),
  setsockopt: libc.func('int setsockopt(int fd, int level, int name, const void *value, uint32_t length)'),
  getsockname: libc.func('int getsockname(int fd, _Out_ void *address, _Inout_ uint32_t *length)'),
  mmap: libc.func(
    'void *mmap(void *address, size_t length, int protection, int flags, int fd, int64_t offset)',
  ),
  munmap: libc.func('int munmap(void *address, size_t length)'),
  syscall: libc.func('long syscall(long number, ...)'),
  prctl: libc.func('prctl', 'int', ['int', 'ulong', koffi.pointer(sockFprog)]),
  calloc: libc.func('void *calloc(size_t count, size_t size)'),
  free: libc.func('void free(void *pointer)'),
  open_memstream: libc.func('void *open_memstream(void *buffer, void *size)'),
  fflush: libc.func('int fflush(void *stream)'),
  fseeko: libc.func('int fseeko(void *stream, int64_t offset, int whence)'),
};

const SOCKET_FILTER_PROGRAM_BYTES = 16;
const INSTRUCTION_BYTES = 8;

/** A `struct sock_fprog` for the call that it is passed to. */
function classicProgram(instructions: Uint8Array): { len: number; filter: unknown } {
  return { len: instructions.byteLength / INSTRUCTION_BYTES, filter: koffi.as(instructions, 'void *') };
}

const attachFilter = libc.func('setsockopt', 'int', [
  'int',
  'int',
  'int',
  koffi.pointer(sockFprog),
  'uint32_t',
]);

/** An address in this process' memory; valid only as long as what it points to. */
export type Pointer = bigint;

/** A system call that failed. `code` is the errno's name, such as `EPERM`. */
export class SystemError extends Error {
  readonly code: string;

  constructor(
    readonly syscall: string,
    readonly errno: number,
  ) {
    const [code, description] = getSystemErrorMap().get(-errno) ?? [`E${errno}`, 'unknown error'];
    super(`${syscall}: ${description} (${code})`);
    this.name = 'SystemError';
    this.code = code;
  }
}

function checked(syscall: string, result: number): number {
  if (result < 0) throw new SystemError(syscall, koffi.errno());
  return result;
}

const CLONE_NEWNET = 0x40000000;

/** setns(2): moves the calling *thread* into the network namespace that `fd` refers to. */
export function setNetworkNamespace(fd: number): void {
  checked('setns', c.setns(fd, CLONE_NEWNET) as number);
}

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const NETLINK_ROUTE = 0;

/** Opens a blocking rtnetlink(7) socket in the thread's network namespace, subscribed to `groups`. */
export function openRouteNetlink(groups: number): number {
  const fd = openSocket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
  const address = Buffer.alloc(12); // struct sockaddr_nl: family, padding, port id (0: kernel's choice), groups
  address.writeUInt16LE(AF_NETLINK, 0);
  address.writeUInt32LE(groups, 8);
  bindSocket(fd, address);
  return fd;
}

/** send(2) of a whole message. */
export function send(fd: number, message: Uint8Array): void {
  checked('send', Number(c.send(fd, message, message.byteLength, 0)));
}

const MSG_DONTWAIT = 0x40;
const MSG_TRUNC = 0x20;
const MSG_NOSIGNAL = 0x4000;

/**
 * send(2) of as much as the socket takes at once.
 *
 * @returns how many bytes it took; 0 when it has no room, or is broken: whoever waits for room gets to know
 */
export function sendAtOnce(fd: number, bytes: Uint8Array, length: number): number {
  return Math.max(0, Number(c.send(fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL)));
}

/**
 * recv(2) of one message.
 *
 * @param wait whether to block until there is one
 * @returns its length in bytes, more than fits in `buffer` when it was cut; -1 when there is none now
 */
export function receive(fd: number, buffer: Uint8Array, wait: boolean): number {
  const length = Number(c.recv(fd, buffer, buffer.byteLength, MSG_TRUNC | (wait ? 0 : MSG_DONTWAIT)));
  if (length >= 0) return length;
  const { errno } = koffi.os;
  const failure = koffi.errno();
  if (failure === errno.EAGAIN || failure === errno.EINTR) return -1;
  throw new SystemError('recv', failure);
}

/** The same number on every architecture. Not called by its name: musl has no function for it. */
const SYS_CLOSE_RANGE = 436;
const CLOSE_RANGE_CLOEXEC = 4;
const FIRST_AFTER_STANDARD_STREAMS = 3;
const LAST_DESCRIPTOR = 0xffff_ffff;

/**
 * close_range(2) with CLOSE_RANGE_CLOEXEC: no descriptor but the standard streams outlives an exec. libpcap's sockets
 * would, and a process started meanwhile would keep rings and namespaces of captures long over.
 */
export function closeAllOnExec(): void {
  const range = [
    'uint',
    FIRST_AFTER_STANDARD_STREAMS,
    'uint',
    LAST_DESCRIPTOR,
    'int',
    CLOSE_RANGE_CLOEXEC,
  ] as const;
  checked('close_range', Number(c.syscall(SYS_CLOSE_RANGE, ...range)));
}

const PR_SET_SECCOMP = 22;
const SECCOMP_MODE_FILTER = 2;

/**
 * PR_SET_SECCOMP(2const): from now on each system call of this *thread* is put to the filter. There is no way back.
 *
 * @param instructions `struct sock_filter`s, one behind the other
 */
export function setSystemCallFilter(instructions: Uint8Array): void {
  checked('prctl', c.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, classicProgram(instructions)) as number);
}

/** socket(2), closed on exec. */
export function openSocket(domain: number, type: number, protocol: number): number {
  return checked('socket', c.socket(domain, type | SOCK_CLOEXEC, protocol) as number);
}

/** bind(2). */
export function bindSocket(fd: number, address: Uint8Array): void {
  checked('bind', c.bind(fd, address, address.byteLength) as number);
}

/** getsockname(2) into `address`. */
export function socketName(fd: number, address: Uint8Array): void {
  checked('getsockname', c.getsockname(fd, address, [address.byteLength]) as number);
}

/** setsockopt(2). */
export function setSocketOption(fd: number, level: number, name: number, value: Uint8Array): void {
  checked('setsockopt', c.setsockopt(fd, level, name, value, value.byteLength) as number);
}

/** getsockopt(2) into `value`. */
export function socketOption(fd: number, level: number, name: number, value: Uint8Array | Uint32Array): void {
  checked('getsockopt', c.getsockopt(fd, level, name, value, [value.byteLength]) as number);
}

const SOL_SOCKET = 1;
const SO_ERROR = 4;
const SO_ATTACH_FILTER = 26;
const pendingError = new Uint32Array(1);

/** Takes the error that waits at a socket, SO_ERROR of socket(7). @throws SystemError when there is one */
export function throwSocketError(fd: number): void {
  socketOption(fd, SOL_SOCKET, SO_ERROR, pendingError);
  if (pendingError[0]) throw new SystemError('recv', pendingError[0]);
}

/**
 * SO_ATTACH_FILTER of socket(7): takes the place of the filter before, at once.
 *
 * @param instructions classic BPF, 8 bytes each
 * @throws SystemError `EINVAL` and `ENOMEM` when the program is larger than the kernel allows
 */
export function attachSocketFilter(fd: number, instructions: Uint8Array): void {
  const program = classicProgram(instructions);
  checked(
    'setsockopt',
    attachFilter(fd, SOL_SOCKET, SO_ATTACH_FILTER, program, SOCKET_FILTER_PROGRAM_BYTES) as number,
  );
}

const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;
const MAP_FAILED = 0xffff_ffff_ffff_ffffn;

/** mmap(2) of what a descriptor stands for, shared, to read and write. */
export function mapMemory(fd: number, bytes: number): Pointer {
  const address = c.mmap(null, bytes, PROT_READ_WRITE, MAP_SHARED, fd, 0) as Pointer;
  if (address === MAP_FAILED) throw new SystemError('mmap', koffi.errno());
  return address;
}

/** The memory at an address without a copy. Whoever has it must not touch it after the memory is gone. */
export function viewMemory(address: Pointer, bytes: number): ArrayBuffer {
  return koffi.view(address, bytes);
}

/** munmap(2). */
export function unmapMemory(address: Pointer, bytes: number): void {
  checked('munmap', c.munmap(address, bytes) as number);
}

const SEEK_SET = 0;
const POINTER_BYTES = 8;

/**
 * open_memstream(3): a C `FILE` that collects what C code writes to it in memory which we can read without a
 * copy. Rewound and filled again it stays at its largest size, so `bytes()` costs no allocation in C.
 */
export class MemoryStream {
  /** For C functions that want a `FILE *`. Whoever closes that file must call `released()`. */
  readonly file: Pointer;
  private readonly cells: Pointer;
  private readonly cellView: BigUint64Array;
  private address: Pointer = 0n;
  private view = new Uint8Array(0);

  constructor() {
    this.cells = c.calloc(2, POINTER_BYTES) as Pointer;
    if (!this.cells) throw new SystemError('calloc', koffi.errno());
    this.cellView = new BigUint64Array(koffi.view(this.cells, 2 * POINTER_BYTES));
    this.file = c.open_memstream(this.cells, this.cells + BigInt(POINTER_BYTES)) as Pointer;
    if (!this.file) {
      const failure = koffi.errno();
      c.free(this.cells);
      throw new SystemError('open_memstream', failure);
    }
  }

  /** What was written since the last `rewind`; the view is void as soon as anything is written again. */
  bytes(): Uint8Array {
    checked('fflush', c.fflush(this.file) as number);
    const address = this.cellView[0] ?? 0n;
    const size = Number(this.cellView[1]);
    if (address !== this.address || size > this.view.byteLength) {
      this.address = address;
      this.view = new Uint8Array(size > 0 ? koffi.view(address, size) : new ArrayBuffer(0));
    }
    return this.view.subarray(0, size);
  }

  /** The most that was in it so far, in bytes. */
  get capacity(): number {
    return this.view.byteLength;
  }

  /** Where `bytes()` begins, for C functions that read it. */
  get start(): Pointer {
    return this.address;
  }

  rewind(): void {
    checked('fseeko', c.fseeko(this.file, 0, SEEK_SET) as number);
  }

  /** After the file was closed by C: its buffer is ours to free. */
  released(): void {
    const address = this.cellView[0] ?? 0n;
    this.view = new Uint8Array(0);
    this.address = 0n;
    if (address) c.free(address);
    c.free(this.cells);
  }
}
