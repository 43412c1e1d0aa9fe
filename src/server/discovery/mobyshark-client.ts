/** Requests and parses the list of targets that GhostWire and the discoverer serve at `/mobyshark`. */
import {
  DocumentError,
  getDocument,
  type HttpAddress,
  type HttpDocument,
} from '../../shared/http/get-document.js';
import { TargetDirectoryError, type DirectoryEntry } from './target-directory.js';
import { isRecord } from '../../shared/is-record.js';

/** A service that lists targets at `/mobyshark`: GhostWire, or the discoverer in GhostWire's format. */
export interface MobysharkService {
  /** Name of the service; messages begin with it. */
  readonly name: string;
  readonly address: HttpAddress;
  /** Limit of the whole exchange; default: 20 s. */
  readonly timeoutMs?: number;
  /** Default: 32 MiB. */
  readonly maxBodyBytes?: number;
}

const DEFAULT_TIMEOUT_MS = 20_000;
const DEFAULT_MAX_BODY_BYTES = 32 * 1024 * 1024;
/** Longer texts cannot be names of targets: PATH_MAX is 4096. */
const MAX_TEXT_LENGTH = 4096;

/**
 * Requests a list of targets.
 *
 * @param path `/mobyshark`, and perhaps a query
 * @throws TargetDirectoryError, or the signal's reason when it is aborted
 */
export async function getMobyshark(
  service: MobysharkService,
  path: string,
  signal: AbortSignal,
): Promise<HttpDocument> {
  const { address, timeoutMs = DEFAULT_TIMEOUT_MS, maxBodyBytes = DEFAULT_MAX_BODY_BYTES } = service;
  try {
    return await getDocument({ address, path, timeoutMs, maxBodyBytes, signal });
  } catch (cause) {
    if (!(cause instanceof DocumentError)) throw cause;
    if (cause.reason === 'aborted') throw cause.cause;
    throw new TargetDirectoryError(messageOf(cause, service.name, address, timeoutMs, maxBodyBytes), {
      cause,
      reason: cause.connected ? 'failed' : 'unreachable',
    });
  }
}

function messageOf(
  { reason, code = 'unknown error', status }: DocumentError,
  name: string,
  address: HttpAddress,
  timeoutMs: number,
  maxBodyBytes: number,
): string {
  // The address comes last, because a close reason is cut at its end.
  const where = 'socketPath' in address ? address.socketPath : `${address.host} port ${address.port}`;
  switch (reason) {
    case 'unreachable':
      return `${name} cannot be reached (${code}): ${where}`;
    case 'timeout':
      return `${name} timed out after ${timeoutMs / 1000} s: ${where}`;
    case 'status':
      return `${name} answered with HTTP status ${status}`;
    case 'too-large':
      return `${name}'s answer is too large: over ${maxBodyBytes} bytes`;
    case 'broken':
      return `${name} broke off its answer (${code}): ${where}`;
    case 'aborted':
      return `the request to ${name} was aborted`;
    default:
      return reason satisfies never;
  }
}

/**
 * Parses a list of targets, which is not trusted. An entry that cannot be used, because an attribute has a wrong type
 * or the name or the namespace is missing, is skipped: it must not make all other targets unavailable. A list without
 * any usable entry is refused, unless it is empty.
 *
 * @param name of the service that sent it, for the message
 * @param onProblems called with what kept the list from being complete
 * @throws TargetDirectoryError when it is not JSON, or not of the expected shape
 */
export function parseMobyshark(
  body: string,
  name: string,
  onProblems?: (problems: readonly string[]) => void,
): DirectoryEntry[] {
  const answer = parseJson(body, name);
  const containers = containersOf(answer);
  onProblems?.(problemsOf(answer));
  const entries = containers?.map(toEntry).filter((entry) => entry !== undefined);
  if (!containers || !entries || (containers.length > 0 && entries.length === 0)) {
    throw new TargetDirectoryError(`${name}'s answer is not of the expected shape`);
  }
  return entries;
}

function parseJson(body: string, name: string): unknown {
  try {
    return JSON.parse(body);
  } catch (cause) {
    throw new TargetDirectoryError(`${name}'s answer is not JSON`, { cause });
  }
}

/** Only the discoverer tells them. */
function problemsOf(answer: unknown): string[] {
  const metadata = isRecord(answer) ? answer['metadata'] : undefined;
  const problems = isRecord(metadata) ? metadata['problems'] : undefined;
  return Array.isArray(problems) ? problems.map(String) : [];
}

/** @returns undefined when there is no such list */
function containersOf(answer: unknown): unknown[] | undefined {
  if (!isRecord(answer) || !Object.hasOwn(answer, 'containers')) return undefined;
  // Go writes a list without elements as null.
  const containers = answer.containers ?? [];
  return Array.isArray(containers) ? containers : undefined;
}

/** Parses an element of the list of `GET /targets`, which is not trusted. @returns undefined when it cannot be used */
export function parseTarget(target: unknown): DirectoryEntry | undefined {
  return isRecord(target) ? toEntry({ ...target, 'network-interfaces': target['interfaces'] }) : undefined;
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
  return { name, prefix, type, netns, pid, startTime, interfaces, ...detailsOf(container) };
}

/** Attributes that GhostWire does not have. */
function detailsOf(container: Record<string, unknown>): Pick<DirectoryEntry, 'labels' | 'image'> {
  const image = textOf(container.image);
  const labels = labelsOf(container.labels);
  return { ...(labels && { labels }), ...(image && { image }) };
}

function labelsOf(value: unknown): Record<string, string> | undefined {
  if (!isRecord(value)) return undefined;
  const texts = Object.entries(value).filter((entry): entry is [string, string] => !!textOf(entry[1]));
  return texts.length > 0 ? Object.fromEntries(texts) : undefined;
}

/* As in Go, absent and null mean the zero value. These return undefined for a value of another type. */

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
