import { fstatSync } from 'node:fs';
import { Socket } from 'node:net';

/** What the supervisor and its children have agreed on; see supervisor/child-process.ts. */
const DESCRIPTOR_OF_THE_SUPERVISOR = 3;
const READY = 'ready\n';
const ALIVE = 'alive\n';
/** The supervisor takes several of them not coming for a hang. */
const BEAT_MS = 1_000;

/** How a child of the supervisor tells that it lives, and learns when to end. */
export class SupervisorLink {
  private readonly toSupervisor = isSocket(DESCRIPTOR_OF_THE_SUPERVISOR)
    ? new Socket({ fd: DESCRIPTOR_OF_THE_SUPERVISOR, readable: false, writable: true }).unref()
    : undefined;

  /** Only for supervised processes: in others, that descriptor is Node's own. */
  constructor() {
    // It has gone: then the end of standard input will tell us.
    this.toSupervisor?.on('error', () => undefined);
    this.say(ALIVE);
    setInterval(() => this.say(ALIVE), BEAT_MS).unref();
  }

  /** Tells the supervisor that we serve. */
  reportReady(): void {
    this.toSupervisor?.write(READY);
  }

  /** A supervisor that stands still does not read. Then nothing piles up, and we do not stand still with it. */
  private say(line: string): void {
    if (this.toSupervisor?.writableLength === 0) this.toSupervisor.write(line);
  }
}

/**
 * Calls back once when it is time to end.
 *
 * Supervised, that is the end of standard input and nothing else: signals to us are for the supervisor to decide about,
 * in which order its children go.
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
    return false;
  }
}
