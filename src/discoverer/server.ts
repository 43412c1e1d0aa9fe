import { rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { SingleFlight } from '../shared/single-flight.js';
import { listenForAll } from '../shared/unix-socket.js';
import { TargetWatch, versioned, type VersionedDocument, type WatchedScanner } from './target-watch.js';

/** Only our own server connects, and has few requests at a time. */
const MAX_CONNECTIONS = 64;
const MAX_HEADER_BYTES = 4096;
const REQUEST_TIMEOUT_MS = 5_000;
const PATH = '/mobyshark';
/** The scan must begin after the request. */
const FRESH = '?fresh';
/** Answer when the document is no longer the one with that version, which was the ETag of an earlier answer. */
const AFTER = '?after=';
/** A request that waits for a change is answered after this time even if nothing has changed. */
const MAX_WAIT_MS = 15_000;
/** Connections that were made before the socket was removed have been accepted when this time has passed. */
const IDLE_CHECK_INTERVAL_MS = 250;

/**
 * Answers `GET /mobyshark` like GhostWire, on a unix socket. Concurrent requests share one scan. With `?after=VERSION` it answers
 * when the targets have changed.
 */
export class DiscovererServer {
  private readonly server: Server;
  private readonly scans: SingleFlight<Uint8Array>;
  private readonly watch: TargetWatch;
  private path = '';
  /** The socket has been removed: nobody new connects. */
  private removed = false;
  /** Open connections; each carries one request. */
  private connections = 0;
  private lastScanMs = performance.now();

  /** @param scanner scans the host and returns the document to send */
  constructor(scanner: WatchedScanner) {
    this.scans = new SingleFlight(() => scanner.scan());
    this.watch = new TargetWatch({
      scan: () => this.scans.ask(true),
      poll: () => scanner.poll(),
      stopWatching: () => scanner.stopWatching(),
    });
    this.server = createServer(
      { maxHeaderSize: MAX_HEADER_BYTES, requestTimeout: REQUEST_TIMEOUT_MS },
      (request, response) => void this.answer(request, response),
    );
    this.server.maxConnections = MAX_CONNECTIONS;
    this.server.on('connection', (socket) => {
      this.connections++;
      socket.once('close', () => this.connections--);
    });
  }

  /** A runtime reports a change. */
  onEvent(): void {
    this.watch.onEvent();
  }

  /** @param path of the unix socket; one that an earlier process has left is replaced */
  listen(path: string): Promise<void> {
    this.path = path;
    return listenForAll(this.server, path); // the server may run as another user
  }

  /**
   * Calls back when no scan has been requested for `idleMs`. By then the socket has been removed, by which clients tell a
   * discoverer that rests from one that does not answer.
   */
  whenIdle(idleMs: number, onIdle: () => void): void {
    const timer = setInterval(() => {
      if (this.connections > 0) return;
      if (this.removed) {
        clearInterval(timer);
        onIdle();
      } else if (performance.now() - this.lastScanMs >= idleMs) {
        rmSync(this.path, { force: true });
        this.removed = true;
      }
    }, IDLE_CHECK_INTERVAL_MS);
  }

  close(): void {
    this.server.close();
    this.server.closeAllConnections();
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('error', () => undefined); // EPIPE or ECONNRESET: the server has closed the connection
    request.resume();
    const { method, url = '' } = request;
    if (method !== 'GET') return void response.writeHead(405, { allow: 'GET' }).end();
    const isWaiting = url.startsWith(PATH + AFTER);
    if (url !== PATH && url !== PATH + FRESH && !isWaiting) return void response.writeHead(404).end();
    const gone = new AbortController();
    response.on('close', () => gone.abort());
    this.lastScanMs = performance.now();
    try {
      const { document, version } =
        isWaiting && !this.removed
          ? await this.watch.whenChanged(url.slice((PATH + AFTER).length), MAX_WAIT_MS, gone.signal)
          : await this.scanned(url !== PATH, gone.signal);
      const headers = { 'content-type': 'application/json', 'content-length': document.byteLength };
      response.writeHead(200, { ...headers, etag: `"${version}"` }).end(document);
    } catch {
      if (!gone.signal.aborted) response.writeHead(500).end(); // the scanner has logged the cause
    } finally {
      this.lastScanMs = performance.now();
    }
  }

  private async scanned(fresh: boolean, signal: AbortSignal): Promise<VersionedDocument> {
    return versioned(await this.scans.ask(fresh, signal));
  }
}
