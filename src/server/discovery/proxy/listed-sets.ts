import type { IncomingMessage } from 'node:http';
import type { NamedTargetSets } from '../named-target-sets.js';

/** Where clients that know no sets look for targets. */
export const LIST_PATH = '/discover/mobyshark';

/** The same limit as for the directory's own requests. */
export const MAX_LIST_BYTES = 32 * 1024 * 1024;

/** Whether an answer of GhostWire is a list in the expected form. */
export function isList({ statusCode, headers }: IncomingMessage): boolean {
  return statusCode === 200 && headers['content-encoding'] === undefined;
}

/** @returns GhostWire's list with the sets of targets; the body unchanged if it is no list */
export function withSets(body: Buffer, sets: NamedTargetSets): Buffer {
  try {
    const list = JSON.parse(body.toString('utf8')) as { containers?: unknown } | null;
    if (!Array.isArray(list?.containers)) return body;
    const containers = list.containers as unknown[];
    return Buffer.from(
      JSON.stringify({ ...list, containers: [...containers, ...sets.listed(named(containers))] }),
    );
  } catch {
    return body; // SyntaxError: not JSON
  }
}

function named(containers: readonly unknown[]): { name: string; type: string }[] {
  return containers.flatMap((each) => {
    const { name, type } = (each ?? {}) as Record<'name' | 'type', unknown>;
    return typeof name === 'string' && typeof type === 'string' ? [{ name, type }] : [];
  });
}
