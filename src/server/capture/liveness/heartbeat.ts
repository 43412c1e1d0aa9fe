import { Injectable } from '@nestjs/common';
import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import { HeartbeatTiming } from './heartbeat-timing.js';
import { LivenessProbe } from './liveness-probe.js';
import type { Connection } from './liveness-probe.js';
import { TcpTable } from './tcp-table.js';

interface Patient {
  readonly client: WebSocket;
  readonly socket: Socket;
  readonly connection: Connection;
  readonly pulse: LivenessProbe;
  readonly onGone: () => void;
}

/** Pings all clients, so that proxies keep quiet connections, and notices those who are gone. */
@Injectable()
export class Heartbeat {
  private readonly patients = new Set<Patient>();
  private timer?: NodeJS.Timeout;
  private asking = false;
  private lastLookMs = 0;
  /** Time that we were there to listen. Had this process been stopped for a minute, everybody would look silent. */
  private attentiveMs = 0;

  constructor(private readonly timing: HeartbeatTiming) {}

  /**
   * @param socket below the websocket
   * @param onGone is to cut the connection
   */
  watch(client: WebSocket, socket: Socket, onGone: () => void): void {
    const connection = connectionOf(client, socket);
    const pulse = new LivenessProbe(connection, this.timing, this.attentiveMs);
    const patient: Patient = { client, socket, connection, pulse, onGone };
    this.patients.add(patient);
    client.once('close', () => this.leave(patient));
    if (this.timer) return;
    this.lastLookMs = performance.now();
    this.timer = setInterval(() => void this.look(), this.timing.lookMs);
  }

  private leave(patient: Patient): void {
    this.patients.delete(patient);
    if (this.patients.size > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
  }

  private async look(): Promise<void> {
    const elapsedMs = performance.now() - this.lastLookMs;
    this.lastLookMs += elapsedMs;
    const nowMs = (this.attentiveMs += Math.min(elapsedMs, 2 * this.timing.lookMs));
    const silent = [...this.patients].filter(({ pulse }) => pulse.beat(nowMs));
    // Where there are ten thousand connections the kernel takes its time; nobody needs two answers at once.
    if (silent.length === 0 || this.asking) return;
    this.asking = true;
    const before = silent.map((patient) => ({ ...patient, acceptedBytes: patient.connection.acceptedBytes }));
    const table = await TcpTable.read();
    this.asking = false;
    for (const { socket, pulse, onGone, acceptedBytes } of before) {
      if (pulse.isGone(table.find(socket), acceptedBytes, nowMs)) onGone();
    }
  }
}

function connectionOf(client: WebSocket, socket: Socket): Connection {
  return {
    get isOpen() {
      return client.readyState === client.OPEN;
    },
    get receivedBytes() {
      return socket.bytesRead;
    },
    get acceptedBytes() {
      return socket.bytesWritten - socket.writableLength;
    },
    get waitingBytes() {
      return socket.writableLength;
    },
    ping: () => client.ping(),
  };
}
