import { closeSync } from 'node:fs';
import type { Framing } from '../../shared/protocol/protocol.js';

/** A connected stream socket that a capture is written to, and how the stream is framed there. */
export class OutputSocket {
  private closed = false;

  /**
   * @param fd from now on owned by this
   * @param direct whether it is the socket of the client, and not the connection to the server
   * @param maxMessageBytes a message is longer only if it consists of a single longer block
   */
  constructor(
    readonly fd: number,
    readonly framing: Framing,
    readonly direct: boolean,
    readonly maxMessageBytes = Infinity,
  ) {}

  /** Closes the descriptor of this process; further calls have no effect. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    closeSync(this.fd);
  }
}
