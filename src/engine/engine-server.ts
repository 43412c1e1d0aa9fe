import { randomUUID } from 'node:crypto';
import { createServer, type Server, type Socket } from 'node:net';
import type { CompileGreeting } from '../shared/protocol/compile.js';
import { LineReader, parseMessage, ProtocolError } from '../shared/protocol/lines.js';
import { PROTOCOL_VERSION, type EngineProblem, type Greeting } from '../shared/protocol/protocol.js';
import { EngineTotals } from './capture/totals.js';
import type { RingBudget } from './capture/ring-budget.js';
import { listenForAll } from '../shared/unix-socket.js';
import { ControlConnection, type OpenCapture } from './control-connection.js';
import type { Compiler } from './filter/filter-compiler.js';
import { serveCompilation } from './filter/remote-compiler.js';
import { logDefect } from './log.js';
import { PeerProcess } from './peer-process.js';

const GREETING_TIMEOUT_MS = 5_000;

/** An engine that may end looks this often whether it has anything to do. */
const IDLE_CHECK_INTERVAL_MS = 1_000;

/** Listens on the engine's unix socket, and passes each connection on according to its greeting. */
export class EngineServer {
  private readonly server: Server;
  private readonly totals = new EngineTotals();
  /** Open control connections by their names. */
  private readonly controls = new Map<string, ControlConnection>();

  constructor(
    private readonly openCapture: OpenCapture,
    private readonly budget: RingBudget,
    private readonly problems: readonly EngineProblem[],
    private readonly compiler: Compiler,
  ) {
    this.server = createServer((socket) => this.readGreeting(socket));
  }

  /** @param path of the unix socket; a leftover of an earlier engine is replaced */
  listen(path: string): Promise<void> {
    return listenForAll(this.server, path); // the server may run as another user
  }

  /**
   * Calls back when there have been no captures for `idleMs` and no server is connected. Before that, connected servers are
   * told, so that they disconnect and none begins a capture while the engine ends.
   */
  whenIdle(idleMs: number, onIdle: () => void): void {
    let lastBusyMs = performance.now();
    setInterval(() => {
      const controls = [...this.controls.values()];
      if (controls.some(({ captures }) => captures > 0)) lastBusyMs = performance.now();
      if (performance.now() - lastBusyMs < idleMs) return;
      if (controls.length === 0) onIdle();
      for (const control of controls) control.reportIdle();
    }, IDLE_CHECK_INTERVAL_MS);
  }

  private readGreeting(socket: Socket): void {
    const lines = new LineReader();
    const acceptedAtMs = performance.now();
    socket.on('error', () => socket.destroy());
    const timer = setTimeout(() => socket.destroy(), GREETING_TIMEOUT_MS);
    socket.once('close', () => clearTimeout(timer));
    const onData = (chunk: Buffer): void => {
      try {
        const [line, ...rest] = lines.push(chunk);
        if (line === undefined) return;
        if (rest.length > 0 || lines.isWithinLine) throw new ProtocolError('data after the greeting');
        socket.off('data', onData);
        clearTimeout(timer);
        this.dispatch(socket, parseMessage(line), acceptedAtMs);
      } catch (error) {
        if (!(error instanceof ProtocolError)) logDefect('a connection failed', error);
        socket.destroy();
      }
    };
    socket.on('data', onData);
  }

  private dispatch(
    socket: Socket,
    greeting: Partial<Greeting | CompileGreeting>,
    acceptedAtMs: number,
  ): void {
    if (greeting.type === 'control' && greeting.version === PROTOCOL_VERSION)
      this.addControl(socket, acceptedAtMs);
    else if (greeting.type === 'capture') this.startCapture(socket, greeting);
    else if (greeting.type === 'compile') serveCompilation(socket, greeting, this.compiler);
    else throw new ProtocolError('unknown greeting');
  }

  private addControl(socket: Socket, acceptedAtMs: number): void {
    // Unguessable, so that a server starts captures for its own connections only.
    const name = randomUUID();
    const { openCapture, budget, totals, problems } = this;
    const peer = new PeerProcess(socket, acceptedAtMs);
    const control = new ControlConnection(socket, { name, peer, openCapture, budget, totals, problems });
    this.controls.set(name, control);
    socket.once('close', () => this.controls.delete(name));
  }

  private startCapture(
    socket: Socket,
    { connection, spec, client }: Partial<Record<'connection' | 'spec' | 'client', unknown>>,
  ): void {
    const control = typeof connection === 'string' ? this.controls.get(connection) : undefined;
    if (!control) throw new ProtocolError('no such control connection');
    socket.on('data', () => socket.destroy()); // the stream has one direction
    control.start(socket, spec, client);
  }
}
