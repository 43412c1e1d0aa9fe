/** Lets Node's own event loop wait for descriptors that Node has no class for, such as packet sockets. */
import koffi from 'koffi';

/**
 * Calls back whenever a descriptor is readable (level-triggered, see poll(2)), until it is closed. An error, such as
 * that of a packet socket whose interface goes down, calls back too, and pauses: libuv stops polling then. Whoever is
 * called reads, which takes the error away, and resumes. The descriptor itself stays the caller's.
 */
export class ReadinessWatch {
  private readonly handle: InstanceType<typeof koffi.node.PollHandle>;
  private active: boolean;

  constructor(
    fd: number,
    private readonly onReady: () => void,
  ) {
    this.handle = koffi.node.poll(fd, { readable: true }, this.onEvent);
    this.active = true;
  }

  /** @param status 0, or libuv's negative errno; koffi's types do not know it and tell of the second parameter only */
  private readonly onEvent = (status: unknown): void => {
    if (status !== 0) this.active = false;
    this.onReady();
  };

  /** Stop calling back for now. */
  pause(): void {
    if (!this.active) return;
    this.active = false;
    this.handle.stop();
  }

  resume(): void {
    if (this.active) return;
    this.active = true;
    this.handle.start({ readable: true }, this.onEvent);
  }

  /** Before the descriptor is closed. */
  close(): void {
    this.active = false;
    this.handle.close();
  }
}
