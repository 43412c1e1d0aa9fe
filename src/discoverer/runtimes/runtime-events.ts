/** Events of Docker and Podman, at their unix sockets: that containers started, ended or were renamed. */
import { get, type ClientRequest } from 'node:http';

const FILTERS = encodeURIComponent(
  JSON.stringify({ type: ['container'], event: ['start', 'die', 'died', 'rename'] }),
);
const PATH = `/events?filters=${FILTERS}`;

/**
 * Listens to the events of runtimes as long as somebody watches the targets. What the events say is not read: they only tell
 * that it is time for a scan.
 */
export class RuntimeEvents {
  /** By the key of the socket. */
  private readonly streams = new Map<string, ClientRequest>();

  /** @param onEvent called for each event, and when a stream ends */
  constructor(private readonly onEvent: () => void) {}

  /**
   * Listens at a socket, unless that is done already.
   *
   * @param key identifies the socket
   * @param socketPath may become invalid when this has returned
   */
  listen(key: string, socketPath: string): void {
    if (this.streams.has(key)) return;
    const request = get({ socketPath, path: PATH, agent: false }, (response) => {
      response.on('error', () => undefined); // 'close' follows
      if (response.statusCode === 200) response.on('data', this.onEvent);
      response.resume();
    });
    this.streams.set(key, request);
    request.on('error', () => undefined); // 'close' follows
    request.on('close', () => {
      // Perhaps the runtime is restarted. The scan that this leads to listens again, if it is there.
      if (this.streams.delete(key)) this.onEvent();
    });
  }

  close(): void {
    for (const [key, request] of this.streams) {
      this.streams.delete(key);
      request.destroy();
    }
  }
}
