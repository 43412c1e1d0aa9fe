import { fstatSync } from 'node:fs';
import { Socket } from 'node:net';
import { delimiter } from 'node:path';
import { TICKET_KEY_BYTES } from '../ticket-key.js';

/**
 * What the supervisor and its children agree on: the environment variables that a child gets, the lines that it
 * reports, and how it learns that it must end.
 */

/** The child writes its reports to this descriptor, a socket whose other end the supervisor reads. */
const SUPERVISOR_DESCRIPTOR = 3;

/** Reports, one per line. */
export const READY = 'ready';
export const ALIVE = 'alive';
/** Followed by a path: the server asks for the process that listens there. */
export const START = 'start ';

/** The longest line: a path of a unix socket has at most 107 bytes, see unix(7). */
export const MAX_REPORT_LENGTH = START.length + 107;

/** The supervisor's watchdog ends a child that misses several of these reports. */
const ALIVE_INTERVAL_MS = 1_000;

/** The variable by which a child of any role knows that it has a supervisor. */
export const SUPERVISED = { PACKETFLIX_SUPERVISED: '1' } as const;

/**
 * The variable with the key that signs tickets. Only the service's user can read the environment of its processes. A process
 * that has read it removes it from `process.env`, so that no other child inherits it.
 */
export const TICKET_KEY_VARIABLE = 'PACKETFLIX_SIGNING_KEY';

export function isSupervised(env: NodeJS.ProcessEnv): boolean {
  return env['PACKETFLIX_SUPERVISED'] === SUPERVISED.PACKETFLIX_SUPERVISED;
}

/** The environment of the server process. The supervisor or Kubernetes sets it, not the user, so these are not options. */
export class ServerEnvironment {
  /**
   * Paths of the engines' unix sockets; empty: there is no engine, and no capture can begin. The first engine always
   * runs, the others where `requestStart` is absent.
   */
  readonly engineSockets: readonly string[] = [];

  /** Path of the discoverer's unix socket; absent: there is no discoverer. */
  readonly discovererSocket?: string | undefined;

  /** Whether a supervisor runs this process: then only the supervisor ends it, and it must have no privileges. */
  readonly supervised: boolean = false;

  /** The user to become once the code is loaded, where only root may read the code; absent: no change of user. */
  readonly become?: { readonly uid: number; readonly gid: number } | undefined;

  /** The key that signs tickets, the same after a restart of the server; absent: the server makes one. */
  readonly ticketKey?: Buffer | undefined;

  /** Where the API is of the Kubernetes in which this process runs; absent: it does not run in Kubernetes. */
  readonly kubernetes?: { readonly host: string; readonly port: number } | undefined;

  /**
   * Asks the supervisor to start the engine or discoverer that listens at that path, and does nothing if it runs. Absent:
   * nothing starts on demand.
   */
  readonly requestStart?: ((socketPath: string) => void) | undefined;

  constructor(fields: Partial<ServerEnvironment> = {}) {
    Object.assign(this, fields);
  }
}

/** The variables that `readServerEnvironment` reads. */
export function serverVariables({
  engineSockets,
  discovererSocket,
  become,
  ticketKey,
}: Partial<ServerEnvironment>): NodeJS.ProcessEnv {
  return {
    ...SUPERVISED,
    PACKETFLIX_ENGINE_SOCKETS: engineSockets?.join(delimiter),
    PACKETFLIX_DISCOVERER_SOCKET: discovererSocket,
    PACKETFLIX_BECOME: become && `${become.uid}:${become.gid}`,
    [TICKET_KEY_VARIABLE]: ticketKey?.toString('base64url'),
  };
}

export function readServerEnvironment(env: NodeJS.ProcessEnv): ServerEnvironment {
  const [, uid, gid] = /^(\d+):(\d+)$/.exec(env['PACKETFLIX_BECOME'] ?? '') ?? [];
  const ticketKey = Buffer.from(env[TICKET_KEY_VARIABLE] ?? '', 'base64url');
  return new ServerEnvironment({
    engineSockets: (env['PACKETFLIX_ENGINE_SOCKETS'] ?? '').split(delimiter).filter((path) => path !== ''),
    discovererSocket: env['PACKETFLIX_DISCOVERER_SOCKET'] || undefined,
    supervised: isSupervised(env),
    become: uid === undefined || gid === undefined ? undefined : { uid: Number(uid), gid: Number(gid) },
    ticketKey: ticketKey.length === TICKET_KEY_BYTES ? ticketKey : undefined,
    kubernetes: kubernetesIn(env),
  });
}

/** The kubelet sets these variables for each container. */
function kubernetesIn(env: NodeJS.ProcessEnv): ServerEnvironment['kubernetes'] {
  const host = env['KUBERNETES_SERVICE_HOST'];
  const port = Number(env['KUBERNETES_SERVICE_PORT'] ?? 443);
  return host && port > 0 ? { host, port } : undefined;
}

/** How a child reports to the supervisor that it is alive and when it is ready, and asks for other processes. */
export class SupervisorLink {
  private readonly toSupervisor = isSocket(SUPERVISOR_DESCRIPTOR)
    ? new Socket({ fd: SUPERVISOR_DESCRIPTOR, readable: false, writable: true }).unref()
    : undefined;

  /** Only for supervised processes: in others, that descriptor may belong to Node.js. */
  constructor() {
    // The supervisor is gone. The end of standard input reports that, too.
    this.toSupervisor?.on('error', () => undefined);
    this.reportAlive();
    setInterval(() => this.reportAlive(), ALIVE_INTERVAL_MS).unref();
  }

  /** Reports that this process serves requests. */
  reportReady(): void {
    this.toSupervisor?.write(`${READY}\n`);
  }

  /** Asks for the process that listens at that path. The request may be lost: repeat it until the process listens. */
  requestStart(socketPath: string): void {
    this.write(START + socketPath);
  }

  private reportAlive(): void {
    this.write(ALIVE);
  }

  /** A supervisor that is stopped does not read. Lines must neither accumulate then nor block this process. */
  private write(line: string): void {
    if (this.toSupervisor?.writableLength === 0) this.toSupervisor.write(`${line}\n`);
  }
}

/**
 * Calls back once when this process must end.
 *
 * When supervised, only the end of standard input means that. Signals are ignored then, because the supervisor decides
 * in which order its children end.
 */
export function onEndOfService(supervised: boolean, end: () => void): void {
  const signals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;
  if (!supervised) {
    for (const signal of signals) process.on(signal, end);
    return;
  }
  for (const signal of signals) process.on(signal, () => undefined);
  process.stdin.once('end', end).once('error', end).once('close', end).resume();
}

function isSocket(descriptor: number): boolean {
  try {
    return fstatSync(descriptor).isSocket();
  } catch {
    return false; // EBADF: nothing is open there
  }
}
