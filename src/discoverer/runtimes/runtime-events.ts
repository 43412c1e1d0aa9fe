/** Events of Docker and Podman, at their unix sockets: that containers started, ended or were renamed. */
import { get, type ClientRequest } from 'node:http';

const FILTERS = encodeURIComponent(
  JSON.stringify({ type: ['container'], event: ['start', 'die', 'died', 'rename'] }),
);
const PATH = `/events?filters=${FILTERS}`;

/** A runtime that refuses to tell events is asked again after this time, at the earliest. */
const PAUSE_MS = 60_000;

/**
 * Listens to the events of runtimes as long as somebody watches the targets. What the events say is not read: they only tell
 * that it is time for a scan.
 */
export class RuntimeEvents {
  /** By the key of the socket; absent: the runtime refused. */
  private readonly streams = new Map<string, ClientRequest | undefined>();
  private readonly pauses = new Set<NodeJS.Timeout>();

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
    let isAccepted = false;
    const request = get({ socketPath, path: PATH, agent: false }, (response) => {
      response.on('error', () => undefined); // 'close' follows
      isAccepted = response.statusCode === 200;
      if (isAccepted) response.on('data', this.onEvent);
      response.resume();
    });
    this.streams.set(key, request);
    request.on('error', () => undefined); // 'close' follows
    request.on('close', () => {
      if (this.streams.get(key) !== request) return;
      if (!isAccepted) return this.pause(key);
      this.streams.delete(key);
      this.onEvent(); // perhaps the runtime is restarted: the scan that this leads to listens again, if it is there
    });
  }

  close(): void {
    const streams = [...this.streams.values()];
    this.streams.clear();
    for (const request of streams) request?.destroy();
    for (const timer of this.pauses) clearTimeout(timer);
    this.pauses.clear();
  }

  /** Else each refusal would lead to a scan, and each scan to a refusal. */
  private pause(key: string): void {
    this.streams.set(key, undefined);
    const timer = setTimeout(() => {
      this.pauses.delete(timer);
      this.streams.delete(key);
    }, PAUSE_MS).unref();
    this.pauses.add(timer);
  }
}
