import { findBundledContainers } from './bundles.js';
import { findWatchedContainers } from './conmon.js';
import type { ContainerMembership } from './container-membership.js';
import type { Container } from './container.js';
import { findEngineRoots } from './runtime-roots.js';
import { findEngineSockets } from './runtime-sockets.js';
import type { Engines, EnginesAnswer } from './runtimes.js';
import type { ProcessTable } from '../process-table.js';

/** All running containers, each once: what an engine tells about its own goes before what others tell. */
export async function findContainers(
  procRoot: string,
  table: ProcessTable,
  membership: ContainerMembership,
  engines: Engines,
): Promise<EnginesAnswer> {
  const roots = findEngineRoots(procRoot, table, membership);
  const sockets = findEngineSockets(procRoot, roots, table);
  const { containers, problems } = await engines.ask(procRoot, sockets, membership);
  const byProcess = new Map<number, Container>();
  const sources = [
    containers,
    findWatchedContainers(procRoot, table, membership),
    roots.flatMap((root) => findBundledContainers(procRoot, root, membership)),
    namedContainers(membership),
  ];
  for (const each of sources.flat()) {
    if (!byProcess.has(each.process.pid)) byProcess.set(each.process.pid, each);
  }
  return { containers: [...byProcess.values()], problems };
}

function namedContainers(membership: ContainerMembership): Container[] {
  return [...membership.named].flatMap(({ id, named }) => {
    const process = membership.rootProcess(id);
    return named && process ? [{ id, ...named, process }] : [];
  });
}
