/** Lets Node's own event loop wait for descriptors that Node has no class for, such as packet sockets. */
import koffi from 'koffi';

/**
 * Calls back whenever a descriptor is readable or in error (level-triggered, see poll(2)), until it is closed.
 * The descriptor itself stays the caller's.
 */
export class ReadinessWatch {
  private readonly handle;
  private active = false;

  constructor(
    fd: number,
    private readonly onReady: () => void,
  ) {
    this.handle = koffi.node.poll(fd, { readable: true }, onReady);
    this.active = true;
  }

  /** Stop calling back for now. */
  pause(): void {
    if (!this.active) return;
    this.active = false;
    this.handle.stop();
  }

  resume(): void {
    if (this.active) return;
    this.active = true;
    this.handle.start({ readable: true }, this.onReady);
  }

  /** Before the descriptor is closed. */
  close(): void {
    this.active = false;
    this.handle.close();
  }
}
