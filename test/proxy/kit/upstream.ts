import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, RequestListener } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { WebSocketServer } from 'ws';
import type { WebSocket } from 'ws';

/** An HTTP and websocket server in place of GhostWire. Tests can replace its answers. */
export class Upstream {
  readonly requests: IncomingMessage[] = [];
  readonly handshakes: IncomingMessage[] = [];
  readonly websockets: WebSocket[] = [];
  readonly sockets = new Set<Socket>();
  answer: RequestListener = echoRequest;
  /** Handles websocket handshakes; by default the websockets echo messages. */
  onUpgrade: (request: IncomingMessage, socket: Socket, head: Buffer) => void = (request, socket, head) =>
    this.webSocketServer.handleUpgrade(request, socket, head, (websocket) => {
      this.websockets.push(websocket);
      websocket.on('error', () => undefined);
      websocket.on('message', (data, binary) => websocket.send(data, { binary }));
    });

  private readonly webSocketServer = new WebSocketServer({ noServer: true });
  private readonly server = createServer((request, response) => {
    this.requests.push(request);
    this.answer(request, response);
  });

  constructor() {
    this.server.requestTimeout = 0;
    this.server.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.once('close', () => this.sockets.delete(socket));
    });
    this.server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
      this.handshakes.push(request);
      socket.on('error', () => undefined);
      this.onUpgrade(request, socket, head);
    });
  }

  static async start(port = 0): Promise<Upstream> {
    const upstream = new Upstream();
    upstream.server.listen(port, '127.0.0.1');
    await once(upstream.server, 'listening');
    return upstream;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** Request targets as they arrived. */
  get targets(): string[] {
    return this.requests.map(({ url }) => url ?? '');
  }

  forget(): void {
    this.requests.length = this.handshakes.length = this.websockets.length = 0;
    this.answer = echoRequest;
  }

  async close(): Promise<void> {
    if (!this.server.listening) return;
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
    await once(this.server, 'close');
  }
}

/** Answers with method, target and headers of the request. */
export const echoRequest: RequestListener = ({ method, url, headers }, response) => {
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ method, url, headers }));
};
