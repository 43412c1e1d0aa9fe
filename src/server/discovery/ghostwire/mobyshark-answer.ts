import { TargetDirectoryError, type DirectoryEntry } from '../target-directory.js';

/** Texts longer than this are not names that anybody could ask for. */
const MAX_TEXT_LENGTH = 4096;

/**
 * Reads the answer of a `/mobyshark`, GhostWire's or one in its format, which is not trusted. A single entry that cannot be used, because
 * of a wrong type or for want of a name or a namespace, is skipped: it must not keep users from all others. A
 * list of which *no* entry can be used is nonsense as a whole.
 *
 * @param who answered, for the message
 * @throws TargetDirectoryError when it is not JSON, or not of the expected shape
 */
export function parseMobysharkAnswer(body: string, who = 'GhostWire'): DirectoryEntry[] {
  const containers = containersOf(parseJson(body, who));
  const entries = containers?.map(toEntry).filter((entry) => entry !== undefined);
  if (!containers || !entries || (containers.length > 0 && entries.length === 0)) {
    throw new TargetDirectoryError(`${who}'s answer is not of the expected shape`);
  }
  return entries;
}

function parseJson(body: string, who: string): unknown {
  try {
    return JSON.parse(body);
  } catch (cause) {
    throw new TargetDirectoryError(`${who}'s answer is not JSON`, { cause });
  }
}

/** undefined: there is no such list. */
function containersOf(answer: unknown): unknown[] | undefined {
  if (!isRecord(answer) || !Object.hasOwn(answer, 'containers')) return undefined;
  // Go writes a list without elements as null.
  const containers = answer.containers ?? [];
  return Array.isArray(containers) ? containers : undefined;
}

function toEntry(container: unknown): DirectoryEntry | undefined {
  if (!isRecord(container)) return undefined;
  const name = textOf(container.name);
  const prefix = textOf(container.prefix);
  const type = textOf(container.type);
  const netns = numberOf(container.netns);
  const pid = numberOf(container.pid);
  const startTime = numberOf(container.starttime);
  const interfaces = textsOf(container['network-interfaces']);
  if (!name || prefix === undefined || type === undefined) return undefined;
  if (!netns || pid === undefined || startTime === undefined || !interfaces) return undefined;
  return { name, prefix, type, netns, pid, startTime, interfaces };
}

/* Absent and null are the zero value, as in Go; undefined stands for what is of another type. */

function textOf(value: unknown): string | undefined {
  const text = value ?? '';
  return typeof text === 'string' && text.length <= MAX_TEXT_LENGTH ? text : undefined;
}

function numberOf(value: unknown): number | undefined {
  const number = value ?? 0;
  return typeof number === 'number' && Number.isSafeInteger(number) && number >= 0 ? number : undefined;
}

function textsOf(value: unknown): string[] | undefined {
  const texts: unknown = value ?? [];
  return Array.isArray(texts) && texts.every((text) => typeof text === 'string') ? texts : undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
