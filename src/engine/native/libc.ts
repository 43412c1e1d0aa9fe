/**
 * The functions of the C library that the engine needs and Node does not offer. Names and parameters are those
 * of the manual pages; each throws a SystemError that names the call, so no return code goes unseen.
 */
import koffi from 'koffi';
import { getSystemErrorMap } from 'node:util';

const libc = koffi.load(null);

/** See seccomp(2). */
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
  syscall: libc.func('long syscall(long number, ...)'),
  prctl: libc.func('prctl', 'int', ['int', 'ulong', koffi.pointer(sockFprog)]),
  calloc: libc.func('void *calloc(size_t count, size_t size)'),
  free: libc.func('void free(void *pointer)'),
  open_memstream: libc.func('void *open_memstream(void *buffer, void *size)'),
  fflush: libc.func('int fflush(void *stream)'),
  fseeko: libc.func('int fseeko(void *stream, int64_t offset, int whence)'),
};

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
  const fd = checked('socket', c.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE) as number);
  const address = Buffer.alloc(12); // struct sockaddr_nl: family, padding, port id (0: kernel's choice), groups
  address.writeUInt16LE(AF_NETLINK, 0);
  address.writeUInt32LE(groups, 8);
  checked('bind', c.bind(fd, address, address.length) as number);
  return fd;
}

/** send(2) of a whole message. */
export function send(fd: number, message: Uint8Array): void {
  checked('send', Number(c.send(fd, message, message.byteLength, 0)));
}

const MSG_DONTWAIT = 0x40;
const MSG_TRUNC = 0x20;

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
const INSTRUCTION_BYTES = 8;

/**
 * PR_SET_SECCOMP(2const): from now on each system call of this *thread* is put to the filter. There is no way back.
 *
 * @param instructions `struct sock_filter`s, one behind the other
 */
export function setSystemCallFilter(instructions: Uint8Array): void {
  const program = {
    len: instructions.length / INSTRUCTION_BYTES,
    filter: koffi.as(instructions, 'void *'),
  };
  checked('prctl', c.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program) as number);
}

const SOL_PACKET = 263;
const PACKET_STATISTICS = 6;
const packetStatistics = new Uint32Array(3); // struct tpacket_stats_v3: packets, drops, freeze_q_cnt

/**
 * PACKET_STATISTICS of packet(7): what a packet socket has received, and of that dropped because its ring
 * was full, *since the last call*.
 */
export function takePacketStatistics(fd: number): { packets: number; drops: number } {
  const length = [packetStatistics.byteLength];
  checked('getsockopt', c.getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, packetStatistics, length) as number);
  return { packets: packetStatistics[0] ?? 0, drops: packetStatistics[1] ?? 0 };
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
