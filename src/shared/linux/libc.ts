/**
 * Functions of the C library that the service needs and Node does not offer. Names and parameters are those of the
 * manual pages; each function throws a SystemError that names the call, so no return code is ignored.
 *
 * The oldest supported kernel is Linux 5.4: whatever came later needs a fallback here, proven by
 * test/engine/linux-floor.e2e-spec.ts. The constants are valid for x64 and arm64.
 */
import { readdirSync } from 'node:fs';
import { constants } from 'node:os';
import { getSystemErrorMap } from 'node:util';
import {
  bytesAsPointer,
  declareStruct,
  lastErrno,
  loadLibrary,
  pointerTo,
  viewMemory,
  type Pointer,
} from './native.js';

const libc = loadLibrary(null);

/** struct sock_fprog, a classic BPF program. */
const sockFprog = declareStruct({ len: 'unsigned short', filter: 'void *' });

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
  getpeername: libc.func('int getpeername(int fd, _Out_ void *address, _Inout_ uint32_t *length)'),
  getsockname: libc.func('int getsockname(int fd, _Out_ void *address, _Inout_ uint32_t *length)'),
  mmap: libc.func(
    'void *mmap(void *address, size_t length, int protection, int flags, int fd, int64_t offset)',
  ),
  munmap: libc.func('int munmap(void *address, size_t length)'),
  syscall: libc.func('long syscall(long number, ...)'),
  fcntl: libc.func('int fcntl(int fd, int command, ...)'),
  ioctl: libc.func('int ioctl(int fd, ulong request, ...)'),
  seccomp: libc.func('syscall', 'long', ['long', 'uint', 'uint', pointerTo(sockFprog)]),
  prctl: libc.func('int prctl(int option, ulong arg2, ulong arg3, ulong arg4, ulong arg5)'),
  _exit: libc.func('void _exit(int status)'),
  setrlimit: libc.func('int setrlimit(int resource, const void *limits)'),
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
  return { len: instructions.byteLength / INSTRUCTION_BYTES, filter: bytesAsPointer(instructions) };
}

const attachFilter = libc.func('setsockopt', 'int', ['int', 'int', 'int', pointerTo(sockFprog), 'uint32_t']);

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
  if (result < 0) throw new SystemError(syscall, lastErrno());
  return result;
}

const CLONE_NEWNET = 0x40000000;

/** setns(2): moves the calling *thread* into the network namespace that `fd` refers to. */
export function setNetworkNamespace(fd: number): void {
  checked('setns', c.setns(fd, CLONE_NEWNET) as number);
}

const NS_GET_PARENT = 0xb702;
const NS_GET_OWNER_UID = 0xb704;

/** NS_GET_PARENT of ioctl_ns(2). @throws SystemError EPERM: the parent is no namespace below ours */
export function parentNamespace(fd: number): number {
  return checked('ioctl', c.ioctl(fd, NS_GET_PARENT) as number);
}

/** NS_GET_OWNER_UID of ioctl_ns(2): the user who created a user namespace, as our own user namespace sees that user. */
export function namespaceOwner(fd: number): number {
  const owner = new Uint32Array(1);
  checked('ioctl', c.ioctl(fd, NS_GET_OWNER_UID, 'void *', owner) as number);
  return owner[0] ?? 0;
}

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const NETLINK_ROUTE = 0;

/** Opens a blocking rtnetlink(7) socket in the network namespace of the thread, subscribed to `groups`. */
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
 * send(2) of as much as a stream socket accepts without blocking.
 *
 * @returns how many bytes it accepted, perhaps 0
 * @throws SystemError when the connection is broken, for example ECONNRESET or EPIPE
 */
export function sendAvailable(fd: number, bytes: Uint8Array): number {
  const sent = Number(c.send(fd, bytes, bytes.byteLength, MSG_DONTWAIT | MSG_NOSIGNAL));
  if (sent >= 0) return sent;
  const failure = lastErrno();
  if (failure === constants.errno.EAGAIN || failure === constants.errno.EINTR) return 0;
  throw new SystemError('send', failure);
}

/**
 * recv(2) of one message.
 *
 * @param wait whether to block until there is one
 * @returns its length in bytes, which is more than `buffer` holds when it was truncated; -1 when there is none now
 */
export function receive(fd: number, buffer: Uint8Array, wait: boolean): number {
  const length = Number(c.recv(fd, buffer, buffer.byteLength, MSG_TRUNC | (wait ? 0 : MSG_DONTWAIT)));
  if (length >= 0) return length;
  const failure = lastErrno();
  if (failure === constants.errno.EAGAIN || failure === constants.errno.EINTR) return -1;
  throw new SystemError('recv', failure);
}

/** The number is the same on every architecture. Called by number because musl has no function for it. */
const SYS_CLOSE_RANGE = 436;
const CLOSE_RANGE_CLOEXEC = 4;
const FIRST_AFTER_STANDARD_STREAMS = 3;
const LAST_DESCRIPTOR = 0xffff_ffff;
const F_SETFD = 2;
const FD_CLOEXEC = 1;

/**
 * Has the kernel close all descriptors except the standard streams when this process executes another program. libpcap's
 * sockets would stay open otherwise, and a child process would keep rings and namespaces of captures that ended long ago.
 */
export function closeAllOnExec(): void {
  if (closeRangeOnExec()) return;
  for (const fd of readdirSync('/proc/self/fd').map(Number)) {
    // EBADF is expected for the descriptor with which the directory was read.
    if (fd >= FIRST_AFTER_STANDARD_STREAMS) c.fcntl(fd, F_SETFD, 'int', FD_CLOEXEC);
  }
}

/**
 * close_range(2) with CLOSE_RANGE_CLOEXEC.
 *
 * @returns false before Linux 5.9 (ENOSYS), before 5.11 (EINVAL), and under seccomp profiles that do not know the call (EPERM)
 */
function closeRangeOnExec(): boolean {
  const range = ['uint', FIRST_AFTER_STANDARD_STREAMS, 'uint', LAST_DESCRIPTOR] as const;
  return Number(c.syscall(SYS_CLOSE_RANGE, ...range, 'int', CLOSE_RANGE_CLOEXEC)) === 0;
}

const O_CLOEXEC = 0o2000000;
const F_DUPFD_CLOEXEC = 1030;

/** F_DUPFD_CLOEXEC of fcntl(2): a second descriptor of the same file, closed on exec. */
export function duplicate(fd: number): number {
  return checked('fcntl', c.fcntl(fd, F_DUPFD_CLOEXEC, 'int', 0) as number);
}

/** The numbers are the same on every architecture; glibc has functions since 2.36 only. */
const SYS_PIDFD_OPEN = 434;
const SYS_PIDFD_GETFD = 438;

/** pidfd_open(2), since Linux 5.3: a descriptor of a process, closed on exec. */
export function openPidfd(pid: number): number {
  return checked('pidfd_open', Number(c.syscall(SYS_PIDFD_OPEN, 'int', pid, 'uint', 0)));
}

/**
 * pidfd_getfd(2), since Linux 5.6: a second descriptor, closed on exec, of a file that another process has open. Needs
 * PTRACE_MODE_ATTACH_REALCREDS of ptrace(2).
 *
 * @throws SystemError EBADF: the process has no such descriptor; ENOSYS, EPERM: not available here; ESRCH: it has ended
 */
export function takeDescriptor(pidfd: number, descriptor: number): number {
  return checked(
    'pidfd_getfd',
    Number(c.syscall(SYS_PIDFD_GETFD, 'int', pidfd, 'int', descriptor, 'uint', 0)),
  );
}

/** The number is the same on every architecture; glibc has no function. */
const SYS_OPENAT2 = 437;
const RESOLVE_NO_MAGICLINKS = 0x02n;
const RESOLVE_IN_ROOT = 0x10n;
const RESOLVE_CACHED = 0x20n;

/**
 * openat2(2) with RESOLVE_CACHED, since Linux 5.12: opens a path only if the kernel has all of it in memory, so that no file
 * system is asked, which may be one that never answers (FUSE, NFS).
 *
 * @param root descriptor of the directory that the path begins at and that nothing in it leads out of
 * @param path its bytes, relative
 * @throws SystemError EAGAIN: not in memory, or changing just now; ENOSYS, EINVAL, EPERM: not available here
 */
export function openCached(root: number, path: Uint8Array, flags: number): number {
  // struct open_how: flags, mode, resolve
  const how = BigUint64Array.of(
    BigInt(flags | O_CLOEXEC),
    0n,
    RESOLVE_CACHED | RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
  );
  const terminated = new Uint8Array(path.byteLength + 1);
  terminated.set(path);
  const args = ['int', root, 'void *', terminated, 'void *', how, 'size_t', how.byteLength] as const;
  return checked('openat2', Number(c.syscall(SYS_OPENAT2, ...args)));
}

const SYS_STATX: Partial<Record<NodeJS.Architecture, number>> = { x64: 332, arm64: 291 };
const AT_EMPTY_PATH = 0x1000;
const AT_STATX_DONT_SYNC = 0x4000;
const STATX_INO = 0x100;
/** Of a `struct statx`. */
const STATX_BYTES = 256;
const STX_INO_OFFSET = 32;
const STX_DEV_MAJOR_OFFSET = 136;
const STX_DEV_MINOR_OFFSET = 140;

/**
 * statx(2) with AT_STATX_DONT_SYNC: what the kernel knows of an open file without asking its file system.
 *
 * @returns its inode number, and the device of its file system
 */
export function cachedStat(fd: number): { ino: number; dev: string } {
  const result = Buffer.alloc(STATX_BYTES);
  const number = SYS_STATX[process.arch];
  if (number === undefined) throw new Error(`no statx(2) on ${process.arch}`);
  const path = ['int', fd, 'const char *', ''] as const;
  const what = ['int', AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 'uint', STATX_INO] as const;
  checked('statx', Number(c.syscall(number, ...path, ...what, 'void *', result)));
  return {
    ino: Number(result.readBigUInt64LE(STX_INO_OFFSET)),
    dev: `${result.readUInt32LE(STX_DEV_MAJOR_OFFSET)}:${result.readUInt32LE(STX_DEV_MINOR_OFFSET)}`,
  };
}

const SYS_SECCOMP: Partial<Record<NodeJS.Architecture, number>> = { x64: 317, arm64: 277 };
const SECCOMP_SET_MODE_FILTER = 1;
const SECCOMP_FILTER_FLAG_TSYNC = 1;

/**
 * seccomp(2): filters each further system call of all threads of this process, and of whatever they start. A filter cannot
 * be removed.
 *
 * @param instructions `struct sock_filter`s, one after the other
 */
export function setSystemCallFilter(instructions: Uint8Array): void {
  const number = SYS_SECCOMP[process.arch];
  if (number === undefined) throw new Error(`no filters of system calls on ${process.arch}`);
  const program = classicProgram(instructions);
  const result = c.seccomp(number, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, program) as number;
  if (checked('seccomp', Number(result)) > 0) throw new Error('seccomp: a thread has another filter');
}

const PR_SET_DUMPABLE = 4;

/**
 * PR_SET_DUMPABLE(2const): from now on, other processes of the same user can neither trace this one nor open its
 * /proc/PID/mem, unless they have CAP_SYS_PTRACE. Lasts until it executes another program.
 */
export function forbidInspection(): void {
  checked('prctl', c.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) as number);
}

/** _exit(2): ends the process at once, without what Node.js does at its end. */
export function endProcess(status: number): void {
  c._exit(status);
}

const RLIMIT_DATA = 2;

/** RLIMIT_DATA of getrlimit(2): private writable memory. Allocating more fails with ENOMEM. */
export function limitDataMemory(bytes: number): void {
  const limits = BigUint64Array.of(BigInt(bytes), BigInt(bytes)); // struct rlimit: current, maximum
  checked('setrlimit', c.setrlimit(RLIMIT_DATA, limits) as number);
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
const SO_TYPE = 3;
const SO_ERROR = 4;
const SO_PEERCRED = 17;
const SO_ACCEPTCONN = 30;
const SO_DOMAIN = 39;
const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
/** Of a `struct sockaddr_storage`. */
const ADDRESS_BYTES = 128;

/** SO_PEERCRED of unix(7): the process that connected a unix socket, as the kernel recorded it then. */
export function peerProcess(fd: number): number {
  const credentials = new Uint32Array(3); // struct ucred: pid, uid, gid
  socketOption(fd, SOL_SOCKET, SO_PEERCRED, credentials);
  return credentials[0] ?? 0;
}

/** Whether a descriptor is a TCP socket with a peer: connected, and not listening. */
export function isTcpConnection(fd: number): boolean {
  try {
    const option = (name: number): number | undefined => {
      const value = new Uint32Array(1);
      socketOption(fd, SOL_SOCKET, name, value);
      return value[0];
    };
    const domain = option(SO_DOMAIN);
    if (domain !== AF_INET && domain !== AF_INET6) return false;
    if (option(SO_TYPE) !== SOCK_STREAM || option(SO_ACCEPTCONN) !== 0) return false;
    checked('getpeername', c.getpeername(fd, new Uint8Array(ADDRESS_BYTES), [ADDRESS_BYTES]) as number);
    return true;
  } catch {
    return false; // ENOTSOCK: it is a file, a pipe or the like; ENOTCONN: it has no peer
  }
}

const SO_ATTACH_FILTER = 26;
const pendingError = new Uint32Array(1);

/** Clears the pending error of a socket, SO_ERROR of socket(7). @throws SystemError when there is one */
export function throwSocketError(fd: number): void {
  socketOption(fd, SOL_SOCKET, SO_ERROR, pendingError);
  if (pendingError[0]) throw new SystemError('recv', pendingError[0]);
}

/**
 * SO_ATTACH_FILTER of socket(7): atomically replaces the filter that was attached before.
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

/** mmap(2) of a descriptor's memory, shared, readable and writable. */
export function mapMemory(fd: number, bytes: number): Pointer {
  const address = c.mmap(null, bytes, PROT_READ_WRITE, MAP_SHARED, fd, 0) as Pointer;
  if (address === MAP_FAILED) throw new SystemError('mmap', lastErrno());
  return address;
}

/** munmap(2). */
export function unmapMemory(address: Pointer, bytes: number): void {
  checked('munmap', c.munmap(address, bytes) as number);
}

const SEEK_SET = 0;
const POINTER_BYTES = 8;

/**
 * open_memstream(3): a C `FILE` in memory. C code writes to it, and we read the memory without a copy. When it is rewound
 * and filled again it keeps its largest size, so that no memory is allocated for each batch.
 */
export class MemoryStream {
  /** For C functions that take a `FILE *`. After it has been closed, `released()` must be called. */
  readonly file: Pointer;
  private readonly cells: Pointer;
  private readonly cellView: BigUint64Array;
  private address: Pointer = 0n;
  private view = new Uint8Array(0);

  constructor() {
    this.cells = c.calloc(2, POINTER_BYTES) as Pointer;
    if (!this.cells) throw new SystemError('calloc', lastErrno());
    this.cellView = new BigUint64Array(viewMemory(this.cells, 2 * POINTER_BYTES));
    this.file = c.open_memstream(this.cells, this.cells + BigInt(POINTER_BYTES)) as Pointer;
    if (!this.file) {
      const failure = lastErrno();
      c.free(this.cells);
      throw new SystemError('open_memstream', failure);
    }
  }

  /** What was written since the last `rewind`; the view is invalid as soon as anything is written again. */
  bytes(): Uint8Array {
    checked('fflush', c.fflush(this.file) as number);
    const address = this.cellView[0] ?? 0n;
    const size = Number(this.cellView[1]);
    if (address !== this.address || size > this.view.byteLength) {
      this.address = address;
      this.view = new Uint8Array(size > 0 ? viewMemory(address, size) : new ArrayBuffer(0));
    }
    return this.view.subarray(0, size);
  }

  /** The largest size so far, in bytes. */
  get capacity(): number {
    return this.view.byteLength;
  }

  /** Address of the first byte of `bytes()`, for C functions that read it. */
  get start(): Pointer {
    return this.address;
  }

  rewind(): void {
    checked('fseeko', c.fseeko(this.file, 0, SEEK_SET) as number);
  }

  /** Frees the buffer, after C code has closed the file. */
  released(): void {
    const address = this.cellView[0] ?? 0n;
    this.view = new Uint8Array(0);
    this.address = 0n;
    if (address) c.free(address);
    c.free(this.cells);
  }
}
