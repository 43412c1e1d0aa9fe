/**
 * The functions of libpcap that the engine uses, named as in their manual pages (pcap(3PCAP)). Loading this file
 * loads the library: `LibraryMissingError` when the machine has none.
 */
import { MemoryStream } from '../../shared/linux/libc.js';
import {
  bytesAsPointer,
  declareStruct,
  loadLibrary,
  outParameter,
  pointerTo,
  viewMemory,
  type Pointer,
} from '../../shared/linux/native.js';

/** libpcap is not installed, or too old. */
export class LibraryMissingError extends Error {
  override readonly name = 'LibraryMissingError';
}

/** A function of libpcap failed. `status` is its return code, see pcap_activate(3PCAP). */
export class PcapError extends Error {
  constructor(
    readonly call: string,
    message: string,
    readonly status: number,
  ) {
    super(message);
    this.name = 'PcapError';
  }
}

/** Debian and Ubuntu keep the historic name; other distributions use the major version. */
const LIBRARY_NAMES = ['libpcap.so.0.8', 'libpcap.so.1', 'libpcap.so'];

function load(): ReturnType<typeof loadLibrary> {
  const failures: string[] = [];
  for (const name of LIBRARY_NAMES) {
    try {
      return loadLibrary(name);
    } catch (error) {
      failures.push((error as Error).message);
    }
  }
  throw new LibraryMissingError(`libpcap cannot be loaded: ${failures[0]}`);
}

const library = load();

const ERROR_BUFFER_BYTES = 256; // PCAP_ERRBUF_SIZE
export const BPF_INSTRUCTION_BYTES = 8;

const bpfProgram = declareStruct({ bf_len: 'uint', bf_insns: 'void *' });

const pcap = {
  lib_version: library.func('const char *pcap_lib_version()'),
  create: library.func('void *pcap_create(const char *source, _Out_ void *errbuf)'),
  open_dead: library.func('void *pcap_open_dead(int linktype, int snaplen)'),
  set_snaplen: library.func('int pcap_set_snaplen(void *p, int snaplen)'),
  set_promisc: library.func('int pcap_set_promisc(void *p, int promisc)'),
  set_timeout: library.func('int pcap_set_timeout(void *p, int to_ms)'),
  set_buffer_size: library.func('int pcap_set_buffer_size(void *p, int buffer_size)'),
  set_tstamp_precision: library.func('int pcap_set_tstamp_precision(void *p, int precision)'),
  activate: library.func('int pcap_activate(void *p)'),
  setnonblock: library.func('int pcap_setnonblock(void *p, int nonblock, _Out_ void *errbuf)'),
  geterr: library.func('const char *pcap_geterr(void *p)'),
  statustostr: library.func('const char *pcap_statustostr(int error)'),
  datalink: library.func('int pcap_datalink(void *p)'),
  get_selectable_fd: library.func('int pcap_get_selectable_fd(void *p)'),
  compile: library.func('pcap_compile', 'int', [
    'void *',
    outParameter(pointerTo(bpfProgram)),
    'const char *',
    'int',
    'uint32_t',
  ]),
  setfilter: library.func('pcap_setfilter', 'int', ['void *', pointerTo(bpfProgram)]),
  freecode: library.func('pcap_freecode', 'void', [pointerTo(bpfProgram)]),
  dump_fopen: library.func('void *pcap_dump_fopen(void *p, void *file)'),
  dump_close: library.func('void pcap_dump_close(void *d)'),
  dispatch: library.func('int pcap_dispatch(void *p, int cnt, void *callback, void *user)'),
  close: library.func('void pcap_close(void *p)'),
  bpf_filter: library.func(
    'uint bpf_filter(const void *program, const void *packet, uint wirelen, uint buflen)',
  ),
  bpf_validate: library.func('int bpf_validate(const void *program, int length)'),
};

/** The C function itself, so that JavaScript is not called once per packet. */
const pcapDump = library.symbol('pcap_dump') as Pointer;

interface BpfProgramStruct {
  bf_len: number;
  bf_insns: Pointer;
}

/** For example "libpcap version 1.10.3 (with TPACKET_V3)". */
export function libraryVersion(): string {
  return pcap.lib_version() as string;
}

/** PCAP_NETMASK_UNKNOWN; only filters that test for IPv4 broadcast addresses need the netmask. */
const NETMASK_UNKNOWN = 0xffffffff;

/**
 * Compiles a filter for packets of a link type, as pcap_compile(3PCAP) does for a handle that is not live.
 * Text of untrusted clients can take minutes and look up names: compile it in a process that can be killed.
 *
 * @param dlt a DLT_ value
 * @returns classic BPF instructions, 8 bytes each in the machine's byte order
 * @throws PcapError with the compiler's message
 */
export function compileFilter(text: string, dlt: number, snapshotLength: number): Uint8Array {
  const handle = pcap.open_dead(dlt, snapshotLength) as Pointer;
  if (!handle) throw new PcapError('pcap_open_dead', `no handle for link type ${dlt}`, -1);
  try {
    const program = {} as BpfProgramStruct;
    const status = pcap.compile(handle, program, text, 1, NETMASK_UNKNOWN) as number;
    if (status !== 0) throw new PcapError('pcap_compile', pcap.geterr(handle) as string, status);
    const bytes = new Uint8Array(program.bf_len * BPF_INSTRUCTION_BYTES);
    bytes.set(new Uint8Array(viewMemory(program.bf_insns, bytes.length)));
    pcap.freecode(program);
    return bytes;
  } finally {
    pcap.close(handle);
  }
}

/** A filter program that runs on packets in the memory of this process. */
export class PacketFilter {
  /** @throws PcapError when bpf_validate rejects the program, because it could leave its instructions or the packet */
  constructor(private readonly instructions: Uint8Array) {
    if (!pcap.bpf_validate(instructions, instructions.length / BPF_INSTRUCTION_BYTES)) {
      throw new PcapError('bpf_validate', 'the filter program is not valid', -1);
    }
  }

  /** @param packet its bytes or its address */
  matches(packet: Pointer | Uint8Array, originalLength: number, capturedLength: number): boolean {
    return (pcap.bpf_filter(this.instructions, packet, originalLength, capturedLength) as number) !== 0;
  }
}

/** How to open an interface. */
export interface PcapOptions {
  readonly interfaceName: string;
  /** In bytes. */
  readonly snapshotLength: number;
  readonly promiscuous: boolean;
  /** Size of the kernel's ring, in bytes. */
  readonly ringBytes: number;
  /** After how long the kernel hands over a block of the ring that is not full, in milliseconds. */
  readonly blockTimeoutMs: number;
}

const TSTAMP_PRECISION_NANO = 1;

/**
 * pcap_create(3PCAP) and pcap_activate(3PCAP), non-blocking, with nanoseconds, in the thread's network namespace.
 * Blocks the thread for 10 to 50 ms.
 *
 * @returns the `pcap_t *`, for a `LivePcap`, possibly in another thread
 * @throws PcapError
 */
export function activatePcap(options: PcapOptions): Pointer {
  const errorBuffer = Buffer.alloc(ERROR_BUFFER_BYTES);
  const handle = pcap.create(options.interfaceName, errorBuffer) as Pointer;
  if (!handle) throw new PcapError('pcap_create', cString(errorBuffer), -1);
  try {
    pcap.set_snaplen(handle, options.snapshotLength);
    pcap.set_promisc(handle, options.promiscuous ? 1 : 0);
    pcap.set_timeout(handle, options.blockTimeoutMs);
    pcap.set_buffer_size(handle, options.ringBytes);
    pcap.set_tstamp_precision(handle, TSTAMP_PRECISION_NANO);
    const status = pcap.activate(handle) as number;
    // A positive status is a warning, for example that the device cannot be made promiscuous. Continue, as tcpdump does.
    if (status < 0) {
      const detail = pcap.geterr(handle) as string;
      throw new PcapError('pcap_activate', detail || (pcap.statustostr(status) as string), status);
    }
    if (pcap.setnonblock(handle, 1, errorBuffer) !== 0) {
      throw new PcapError('pcap_setnonblock', cString(errorBuffer), -1);
    }
    return handle;
  } catch (error) {
    pcap.close(handle);
    throw error;
  }
}

/**
 * pcap_setfilter(3PCAP): only packets that pass are read from now on. libpcap itself filters those that are in the ring
 * already.
 *
 * @throws PcapError when the program is not valid
 */
export function setPcapFilter(handle: Pointer, instructions: Uint8Array): void {
  const program = {
    bf_len: instructions.length / BPF_INSTRUCTION_BYTES,
    bf_insns: bytesAsPointer(instructions),
  };
  const status = pcap.setfilter(handle, program) as number;
  if (status !== 0) throw new PcapError('pcap_setfilter', pcap.geterr(handle) as string, status);
}

/** pcap_close(3PCAP): blocks the thread for 20 to 30 ms. */
export function closePcap(handle: Pointer): void {
  pcap.close(handle);
}

/** pcap_datalink(3PCAP): a DLT_ value, for which filters are compiled. */
export function pcapDatalink(handle: Pointer): number {
  return pcap.datalink(handle) as number;
}

/** Memory that a handle keeps for its batches; larger memory is freed after use. */
const MAX_KEPT_BYTES = 1024 * 1024;

/** Offset of the LINKTYPE_ value in the file header that pcap_dump_fopen(3PCAP) writes, see pcap-savefile(5). */
const LINK_TYPE_OFFSET = 20;

/**
 * An activated handle from which packets are read in batches: libpcap's own pcap_dump writes them to memory as records
 * of pcap-savefile(5), without a call of JavaScript per packet.
 */
export class LivePcap {
  /** The LINKTYPE_ value for the interface description block; libpcap converts its own DLT_ value to it for files. */
  readonly linkType: number;
  /** To wait for packets with poll(2). */
  readonly fd: number;
  private stream = new MemoryStream();
  private dumper: Pointer;
  private open = true;

  constructor(private readonly handle: Pointer) {
    this.fd = pcap.get_selectable_fd(handle) as number;
    this.dumper = this.startDump();
    this.linkType =
      new DataView(this.stream.bytes().slice().buffer).getUint32(LINK_TYPE_OFFSET, true) & 0xffff;
  }

  /**
   * Takes at most `maxPackets` packets out of the ring, without waiting.
   *
   * @returns their records, which are valid until the next call
   * @throws PcapError for example when the interface has gone
   */
  read(maxPackets: number): Uint8Array {
    this.assertOpen();
    if (this.stream.capacity > MAX_KEPT_BYTES) this.renewStream();
    this.stream.rewind();
    const count = pcap.dispatch(this.handle, maxPackets, pcapDump, this.dumper) as number;
    if (count < 0) throw new PcapError('pcap_dispatch', pcap.geterr(this.handle) as string, count);
    return count === 0 ? NOTHING : this.stream.bytes();
  }

  /** Address of the records that the last `read` returned. */
  get recordsStart(): Pointer {
    return this.stream.start;
  }

  /**
   * Stops reading.
   *
   * @returns the handle, which must be closed by `closePcap`, in an opener thread because that blocks
   */
  release(): Pointer {
    this.assertOpen();
    this.open = false;
    this.endDump();
    return this.handle;
  }

  private startDump(): Pointer {
    const dumper = pcap.dump_fopen(this.handle, this.stream.file) as Pointer;
    if (!dumper) throw new PcapError('pcap_dump_fopen', pcap.geterr(this.handle) as string, -1);
    return dumper;
  }

  private endDump(): void {
    pcap.dump_close(this.dumper);
    this.stream.released();
  }

  /** Frees the memory that a burst of large packets has taken. */
  private renewStream(): void {
    this.endDump();
    this.stream = new MemoryStream();
    this.dumper = this.startDump();
    this.stream.bytes(); // skips the file header
  }

  private assertOpen(): void {
    if (!this.open) throw new Error('this pcap handle has been released');
  }
}

const NOTHING = new Uint8Array(0);

function cString(buffer: Buffer): string {
  const end = buffer.indexOf(0);
  return buffer.toString('utf8', 0, end < 0 ? undefined : end);
}
