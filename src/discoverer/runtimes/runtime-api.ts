import { Agent } from 'node:http';
import { isRecord, podOf, type Labels, type ListedContainer } from './container.js';
import { EngineError, getFromEngine } from './runtime-request.js';

/** Asking for one container at a time: only those whose process the control groups do not tell. */
const MAX_INSPECTIONS = 256;
const INSPECTIONS_AT_ONCE = 8;
const CONTAINER_ID = /^[0-9a-f]{64}$/;
const LIBPOD_VERSION = /^\d{1,3}\.\d{1,3}\.\d{1,3}$/;

/**
 * The running containers of Docker or Podman. Both speak Docker's protocol, but Podman's own tells the
 * processes, too.
 *
 * @see https://docs.docker.com/reference/api/engine/ and https://docs.podman.io/en/latest/_static/api.html
 * @throws EngineError, or the signal's reason
 */
export async function listContainers(socketPath: string, signal: AbortSignal): Promise<ListedContainer[]> {
  const { headers } = await getFromEngine(socketPath, '/_ping', signal);
  const version = headers['libpod-api-version'];
  const isPodman = typeof version === 'string' && LIBPOD_VERSION.test(version);
  const path = isPodman ? `/v${version}/libpod/containers/json` : '/containers/json';
  const { body } = await getFromEngine(socketPath, path, signal);
  const list = parse(body);
  // Podman has no containers at all: null.
  if (list !== null && !Array.isArray(list)) throw nonsense();
  const containers = (list ?? []).flatMap((each) => toContainer(each, isPodman ? 'podman' : 'docker') ?? []);
  if (list?.length && containers.length === 0) throw nonsense();
  return containers;
}

/**
 * Root processes of containers, as the engine tells them; those that it does not tell are left out.
 *
 * @throws the signal's reason
 */
export async function inspectProcesses(
  socketPath: string,
  ids: readonly string[],
  signal: AbortSignal,
): Promise<Map<string, number>> {
  const pids = new Map<string, number>();
  const agent = new Agent({ keepAlive: true, maxSockets: INSPECTIONS_AT_ONCE });
  try {
    const inspections = ids.slice(0, MAX_INSPECTIONS).map(async (id) => {
      const { body } = await getFromEngine(socketPath, `/containers/${id}/json`, signal, agent);
      const details = parse(body);
      const state = isRecord(details) && isRecord(details['State']) ? details['State'] : {};
      const pid = pidOf(state['Pid']);
      if (pid !== undefined) pids.set(id, pid);
    });
    // A container may have ended meanwhile, which is nobody's fault.
    await Promise.allSettled(inspections);
    signal.throwIfAborted();
    return pids;
  } finally {
    agent.destroy();
  }
}

function toContainer(each: unknown, type: 'docker' | 'podman'): ListedContainer | undefined {
  if (!isRecord(each)) return undefined;
  const { Id: id, Names: names, Labels: labels, Pid } = each;
  if (typeof id !== 'string' || !CONTAINER_ID.test(id) || !Array.isArray(names)) return undefined;
  const name = chooseName(names);
  if (!name) return undefined;
  const pod = podOf(isRecord(labels) ? labels : ({} satisfies Labels));
  const pid = pidOf(Pid);
  return { id, type, name, ...(pod && { pod }), ...(pid !== undefined && { pid }) };
}

/** Docker puts a slash in front of names, and lists what linked containers call this one: `/other/alias`. */
function chooseName(names: readonly unknown[]): string | undefined {
  const texts = names.filter((name) => typeof name === 'string').map((name) => name.replace(/^\//, ''));
  return texts.find((name) => !name.includes('/')) ?? texts[0];
}

function pidOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : undefined;
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch (cause) {
    throw new EngineError('answered with something that is not JSON', { cause });
  }
}

function nonsense(): EngineError {
  return new EngineError('answered with something else than a list of containers');
}
