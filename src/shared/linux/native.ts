/**
 * The only module that imports koffi, the foreign function interface: it loads C libraries, gives access to C memory and
 * lets Node's event loop wait for descriptors for which Node has no class, such as packet sockets.
 */
import koffi from 'koffi';

/** An address in the memory of this process; valid only as long as what it points to. */
export type Pointer = bigint;

/**
 * Loads a shared library.
 *
 * @param name file name as for dlopen(3); null: what the process has loaded already, the C library among it
 * @throws Error when there is no such library
 */
export function loadLibrary(name: string | null): ReturnType<typeof koffi.load> {
  return koffi.load(name);
}

/** Declares a C struct. It stays anonymous: names are global to the process, and each thread loads its modules anew. */
export function declareStruct(fields: Record<string, string>): ReturnType<typeof koffi.struct> {
  return koffi.struct(fields);
}

/** Types for declarations of functions: a pointer to a struct, and one that the function fills. */
export const { pointer: pointerTo, out: outParameter } = koffi;

/** A `void *` field of a struct that refers to bytes of ours while a call runs. */
export function bytesAsPointer(bytes: Uint8Array): unknown {
  return koffi.as(bytes, 'void *');
}

/** errno(3) of the last call in this thread. */
export function lastErrno(): number {
  return koffi.errno();
}

/** Memory at an address, without a copy. It must not be touched after it has been freed or unmapped. */
export function viewMemory(address: Pointer, bytes: number): ArrayBuffer {
  return koffi.view(address, bytes);
}

/**
 * Calls back whenever a descriptor is readable, or writable (level-triggered, see poll(2)), until it is closed. An error, such
 * as that of a packet socket whose interface goes down, calls back as well and pauses the watch, because libuv stops
 * polling then: reading takes the error off the socket, then call `resume`. The caller keeps ownership of the descriptor.
 */
export class ReadinessWatch {
  private readonly handle: InstanceType<typeof koffi.node.PollHandle>;
  private readonly events: { readonly readable: boolean } | { readonly writable: boolean };
  private active: boolean;

  constructor(
    fd: number,
    private readonly onReady: () => void,
    direction: 'readable' | 'writable' = 'readable',
  ) {
    this.events = direction === 'readable' ? { readable: true } : { writable: true };
    this.handle = koffi.node.poll(fd, this.events, this.onEvent);
    this.active = true;
  }

  /** @param status 0, or libuv's negative errno; koffi's types declare only the parameter after it */
  private readonly onEvent = (status: unknown): void => {
    if (status !== 0) this.active = false;
    this.onReady();
  };

  /** Stops calling back for now. */
  pause(): void {
    if (!this.active) return;
    this.active = false;
    this.handle.stop();
  }

  resume(): void {
    if (this.active) return;
    this.active = true;
    this.handle.start(this.events, this.onEvent);
  }

  /** Call this before the descriptor is closed. */
  close(): void {
    this.active = false;
    this.handle.close();
  }
}
