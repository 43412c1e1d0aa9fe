import { readdirSync } from 'node:fs';
import type { ContainerMembership } from './container-membership.js';
import { isRecord, podOf, type Container, type Labels } from './container.js';
import type { EngineRoot } from './runtime-roots.js';
import { readForeignFile } from './foreign-file.js';
import { readProcess } from '../process-table.js';

/** Where containerd keeps the bundles of what runs, as NAMESPACE/ID; that of k3s and RKE2 has its own place. */
const TASK_FOLDERS = [
  '/run/containerd/io.containerd.runtime.v2.task',
  '/run/k3s/containerd/io.containerd.runtime.v2.task',
];
/** Docker's containers, of which Docker itself knows more, their names among it. */
const DOCKERS_NAMESPACE = 'moby';
const DEFAULT_NAMESPACE = 'default';
/** nerdctl(1) is the only one that gives names to containerd's containers. */
const NAME_LABEL = 'nerdctl/name';

/**
 * containerd's containers, by the bundles that it makes for its runtimes.
 *
 * @see https://github.com/opencontainers/runtime-spec/blob/main/config.md
 */
export function findBundledContainers(
  procRoot: string,
  root: EngineRoot,
  membership: ContainerMembership,
): Container[] {
  return TASK_FOLDERS.flatMap((folder) =>
    namesIn(root.path + folder)
      .filter((namespace) => namespace !== DOCKERS_NAMESPACE)
      .flatMap((namespace) =>
        namesIn(`${root.path}${folder}/${namespace}`).flatMap(
          (id) => bundledContainer(procRoot, root, folder, namespace, id, membership) ?? [],
        ),
      ),
  );
}

function bundledContainer(
  procRoot: string,
  { path, outer }: EngineRoot,
  folder: string,
  namespace: string,
  id: string,
  membership: ContainerMembership,
): Container | undefined {
  const bundle = `${path}${folder}/${namespace}/${id}`;
  // The process id in the bundle is containerd's view: only on the host is it ours.
  const pid = outer === undefined ? Number(readForeignFile(`${bundle}/init.pid`)) : 0;
  const process = membership.rootProcess(id) ?? (pid > 0 ? readProcess(procRoot, pid) : undefined);
  if (!process) return undefined;
  const labels = readAnnotations(bundle);
  const pod = podOf(labels);
  const given = labels[NAME_LABEL];
  const name = typeof given === 'string' && given !== '' ? given : id;
  return {
    id,
    type: 'containerd',
    name: namespace === DEFAULT_NAMESPACE ? name : `${namespace}/${name}`,
    process,
    ...(pod && { pod }),
    ...(outer !== undefined && { outer }),
  };
}

/** Annotations in a bundle's config.json; none where it cannot be read. */
export function readAnnotations(bundle: string): Labels {
  try {
    const config: unknown = JSON.parse(readForeignFile(`${bundle}/config.json`) ?? '');
    return isRecord(config) && isRecord(config['annotations']) ? config['annotations'] : {};
  } catch {
    return {}; // being written just now, or none of containerd's
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
