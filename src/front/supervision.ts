import { fstatSync, writeSync } from 'node:fs';

/** What the supervisor and its children have agreed on; see supervisor/. */
const READY_DESCRIPTOR = 3;

/** Tells the supervisor that we serve. Only for supervised processes: in others, descriptor 3 is Node's own. */
export function reportReady(): void {
  try {
    const { isFIFO, isSocket } = descriptorKind(READY_DESCRIPTOR);
    if (isFIFO || isSocket) writeSync(READY_DESCRIPTOR, 'ready\n');
  } catch {
    // Nobody listens, or not any more: then the end of standard input will tell us.
  }
}

/**
 * Calls back once when it is time to end.
 *
 * Supervised, that is the end of standard input and nothing else: a group signal, Ctrl-C for one, reaches the
 * supervisor too, often twice, and it alone decides in which order its children go.
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

function descriptorKind(descriptor: number): { isFIFO: boolean; isSocket: boolean } {
  const stats = fstatSync(descriptor);
  return { isFIFO: stats.isFIFO(), isSocket: stats.isSocket() };
}
