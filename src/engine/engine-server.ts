import { rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { CaptureLedger } from './capture/capture-totals.js';
import type { RingBudget } from './capture/ring-budget.js';
import { ControlConnection, type OpenCapture } from './control-connection.js';
import { PROTOCOL_VERSION, type EngineProblem, type Greeting } from '../shared/protocol/protocol.js';
import { LineReader } from '../shared/protocol/lines.js';
import { isCaptureId } from '../shared/protocol/capture-spec.js';

/** The two connections of a capture come within milliseconds of each other. */
const DATA_CONNECTION_TIMEOUT_MS = 5_000;
const GREETING_TIMEOUT_MS = 5_000;

/** Listens on the engine's unix socket and gives each connection to whom it is for. */
export class EngineServer {
  private readonly server: Server;
  private readonly ledger = new CaptureLedger();
  private readonly arrived = new Map<string, Socket>();
  private readonly awaited = new Map<string, (socket: Socket) => void>();

  constructor(
    private readonly openCapture: OpenCapture,
    private readonly budget: RingBudget,
    private readonly problems: readonly EngineProblem[],
  ) {
    this.server = createServer((socket) => this.greet(socket));
  }

  /** @param path of the unix socket; a leftover of an earlier engine is replaced */
  listen(path: string): Promise<void> {
    rmSync(path, { force: true });
    return new Promise((resolve, reject) => {
      this.server.once('error', reject);
      // The folder decides who may connect: the server may be another user.
      this.server.listen({ path, readableAll: true, writableAll: true }, resolve);
    });
  }

  private greet(socket: Socket): void {
    const lines = new LineReader();
    socket.on('error', () => socket.destroy());
    socket.setTimeout(GREETING_TIMEOUT_MS, () => socket.destroy());
    const onData = (chunk: Buffer): void => {
      try {
        const [line, ...rest] = lines.push(chunk);
        if (line === undefined) return;
        if (rest.length > 0) throw new TypeError('requests before the greeting was answered');
        socket.off('data', onData);
        socket.setTimeout(0);
        this.dispatch(socket, JSON.parse(line) as Partial<Greeting> | null);
      } catch {
        socket.destroy(); // not our server
      }
    };
    socket.on('data', onData);
  }

  private dispatch(socket: Socket, greeting: Partial<Greeting> | null): void {
    if (greeting?.type === 'control' && greeting.version === PROTOCOL_VERSION) {
      new ControlConnection(
        socket,
        this.openCapture,
        this.budget,
        this.ledger,
        this.dataConnection,
        this.problems,
      );
    } else if (greeting?.type === 'data' && isCaptureId(greeting.id)) {
      this.receiveData(socket, greeting.id);
    } else {
      throw new TypeError('not a greeting');
    }
  }

  private receiveData(socket: Socket, id: string): void {
    socket.on('data', () => socket.destroy()); // the stream has one direction
    const deliver = this.awaited.get(id);
    if (deliver) {
      deliver(socket);
      return;
    }
    if (this.arrived.has(id)) throw new TypeError('a second data connection for one capture');
    this.arrived.set(id, socket);
    socket.setTimeout(DATA_CONNECTION_TIMEOUT_MS, () => socket.destroy());
    socket.once('close', () => {
      if (this.arrived.get(id) === socket) this.arrived.delete(id);
    });
  }

  private readonly dataConnection = (id: string): Promise<Socket> => {
    const socket = this.arrived.get(id);
    if (socket) {
      this.arrived.delete(id);
      socket.setTimeout(0);
      return Promise.resolve(socket);
    }
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.awaited.delete(id);
        reject(new Error('the data connection did not come'));
      }, DATA_CONNECTION_TIMEOUT_MS);
      this.awaited.set(id, (late) => {
        clearTimeout(timer);
        this.awaited.delete(id);
        resolve(late);
      });
    });
  };
}
