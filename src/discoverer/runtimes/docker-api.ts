/** Source of containers: the HTTP API of Docker and Podman, at unix sockets. */
import { Agent } from 'node:http';
import { DocumentError, getDocument, type HttpDocument } from '../../shared/http/get-document.js';
import type { ClaimLimits } from './claims.js';
import { detailsOf, exceeds, isRecord, podOf, type ListedContainer } from './container.js';

/** Inspecting takes a request per container, and is needed only where control groups do not show the process. */
const MAX_INSPECTIONS = 256;
const MAX_CONCURRENT_INSPECTIONS = 8;
const BYTES_PER_MEBIBYTE = 1024 * 1024;
const CONTAINER_ID = /^[0-9a-f]{64}$/;
const LIBPOD_VERSION = /^\d{1,3}\.\d{1,3}\.\d{1,3}$/;

/** A runtime cannot be asked, or its answer cannot be used. The message is the predicate of a sentence about it. */
export class RuntimeError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'RuntimeError';
  }
}

/**
 * Lists the running containers of Docker or Podman. Podman serves Docker's API, too, but its own has the processes in
 * the list.
 *
 * @see https://docs.docker.com/reference/api/engine/ and https://docs.podman.io/en/latest/_static/api.html
 * @throws RuntimeError, or the signal's reason when it is aborted
 */
export async function listContainers(
  socketPath: string,
  signal: AbortSignal,
  limits: ClaimLimits,
): Promise<ListedContainer[]> {
  const { bodyBytes } = limits;
  const { headers } = await getFromRuntime(socketPath, '/_ping', signal, bodyBytes);
  const version = headers['libpod-api-version'];
  const isPodman = typeof version === 'string' && LIBPOD_VERSION.test(version);
  const path = isPodman ? `/v${version}/libpod/containers/json` : '/containers/json';
  const { body } = await getFromRuntime(socketPath, path, signal, bodyBytes);
  const list = parse(body);
  // Podman sends null for an empty list.
  if (list !== null && !Array.isArray(list)) throw notAList();
  const type = isPodman ? 'podman' : 'docker';
  const containers: ListedContainer[] = [];
  for (const each of (list ?? []) as unknown[]) {
    const container = toContainer(each, type, limits);
    if (container) containers.push(container);
    if (containers.length >= limits.containers) break;
  }
  if (list?.length && containers.length === 0) throw notAList();
  return containers;
}

/**
 * Asks for the root processes of containers, one request each. Containers whose process the runtime does not know are
 * left out.
 *
 * @throws the signal's reason when it is aborted
 */
export async function inspectProcesses(
  socketPath: string,
  ids: readonly string[],
  signal: AbortSignal,
  { bodyBytes }: ClaimLimits,
): Promise<Map<string, number>> {
  const pids = new Map<string, number>();
  const agent = new Agent({ keepAlive: true, maxSockets: MAX_CONCURRENT_INSPECTIONS });
  try {
    const inspections = ids.slice(0, MAX_INSPECTIONS).map(async (id) => {
      const { body } = await getFromRuntime(socketPath, `/containers/${id}/json`, signal, bodyBytes, agent);
      const details = parse(body);
      const state = isRecord(details) && isRecord(details['State']) ? details['State'] : {};
      const pid = toPid(state['Pid']);
      if (pid !== undefined) pids.set(id, pid);
    });
    // A container may have ended since it was listed: that request fails with status 404.
    await Promise.allSettled(inspections);
    signal.throwIfAborted();
    return pids;
  } finally {
    agent.destroy();
  }
}

async function getFromRuntime(
  socketPath: string,
  path: string,
  signal: AbortSignal,
  maxBodyBytes: number,
  agent?: Agent,
): Promise<HttpDocument> {
  try {
    const address = { socketPath };
    return await getDocument({
      address,
      path,
      maxBodyBytes,
      signal,
      ...(agent && { agent }),
    });
  } catch (cause) {
    if (!(cause instanceof DocumentError)) throw cause;
    if (cause.reason === 'aborted') throw cause.cause;
    throw new RuntimeError(messageOf(cause, maxBodyBytes), { cause });
  }
}

function messageOf({ reason, status, code = 'unknown error' }: DocumentError, maxBodyBytes: number): string {
  switch (reason) {
    case 'unreachable':
      if (code === 'EACCES' || code === 'EPERM') return 'denies access';
      return code === 'ECONNREFUSED' || code === 'ENOENT' ? 'does not run' : `cannot be reached (${code})`;
    case 'status':
      return `answered with HTTP status ${status}`;
    case 'too-large':
      return `sent more than ${maxBodyBytes / BYTES_PER_MEBIBYTE} MiB`;
    case 'broken':
      return `broke off its answer, or does not speak HTTP (${code})`;
    case 'timeout':
    case 'aborted':
      return 'did not answer in time';
    default:
      return reason satisfies never;
  }
}

function toContainer(
  each: unknown,
  type: 'docker' | 'podman',
  { nameBytes }: ClaimLimits,
): ListedContainer | undefined {
  if (!isRecord(each)) return undefined;
  const { Id: id, Names: names, Image: image, Pid } = each;
  if (typeof id !== 'string' || !CONTAINER_ID.test(id) || !Array.isArray(names)) return undefined;
  const name = chooseName(names);
  if (!name || exceeds(name, nameBytes)) return undefined;
  const labels = isRecord(each['Labels']) ? each['Labels'] : {};
  const pod = podOf(labels, nameBytes);
  const pid = toPid(Pid);
  return {
    id,
    type,
    name,
    ...detailsOf(labels, image),
    ...(pod && { pod }),
    ...(pid !== undefined && { pid }),
  };
}

/** Docker puts a slash before names, and lists the names that linked containers use, too: `/other/alias`. */
function chooseName(names: readonly unknown[]): string | undefined {
  const texts = names.filter((name) => typeof name === 'string').map((name) => name.replace(/^\//, ''));
  return texts.find((name) => !name.includes('/')) ?? texts[0];
}

function toPid(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : undefined;
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch (cause) {
    throw new RuntimeError('sent an answer that is not JSON', { cause });
  }
}

function notAList(): RuntimeError {
  return new RuntimeError('sent an answer that is not a list of containers');
}
