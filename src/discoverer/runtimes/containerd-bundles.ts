/** Source of containers: the OCI bundles that containerd makes for its runtimes. */
import { closeSync, constants, fstatSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { O_PATH } from '../../shared/linux/proc.js';
import { readProcess } from '../process-table.js';
import type { ContainerMembership } from './cgroup.js';
import { isRecord, podOf, type Container, type Labels } from './container.js';
import type { RuntimeRoot } from './roots.js';

/** Where containerd keeps the bundles of running containers, as NAMESPACE/ID; k3s and RKE2 have their own path. */
const TASK_FOLDERS = [
  '/run/containerd/io.containerd.runtime.v2.task',
  '/run/k3s/containerd/io.containerd.runtime.v2.task',
];
/** Docker's containers: the Docker API has more facts about them, among them their names. */
const DOCKER_NAMESPACE = 'moby';
const DEFAULT_NAMESPACE = 'default';
/** containerd itself has no names for containers, nerdctl(1) gives them one. */
const NAME_LABEL = 'nerdctl/name';
/** The configuration of a bundle has about 10 kB. */
const MAX_FILE_BYTES = 4 * 1024 * 1024;

/**
 * Lists containerd's containers in the file system of a runtime.
 *
 * @see https://github.com/opencontainers/runtime-spec/blob/main/config.md
 */
export function findBundledContainers(
  procRoot: string,
  root: RuntimeRoot,
  membership: ContainerMembership,
): Container[] {
  return TASK_FOLDERS.flatMap((folder) =>
    namesIn(root.path + folder)
      .filter((namespace) => namespace !== DOCKER_NAMESPACE)
      .flatMap((namespace) =>
        namesIn(`${root.path}${folder}/${namespace}`).flatMap(
          (id) => bundledContainer(procRoot, root, folder, namespace, id, membership) ?? [],
        ),
      ),
  );
}

function bundledContainer(
  procRoot: string,
  { path, outer }: RuntimeRoot,
  folder: string,
  namespace: string,
  id: string,
  membership: ContainerMembership,
): Container | undefined {
  const bundle = `${path}${folder}/${namespace}/${id}`;
  // The process id in the bundle is of containerd's PID namespace, which is ours only on the host.
  const pid = outer === undefined ? Number(readUntrustedFile(`${bundle}/init.pid`)) : 0;
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

/** Reads the annotations in the config.json of an OCI bundle; none where it cannot be read. */
export function readAnnotations(bundle: string): Labels {
  try {
    const config: unknown = JSON.parse(readUntrustedFile(`${bundle}/config.json`) ?? '');
    return isRecord(config) && isRecord(config['annotations']) ? config['annotations'] : {};
  } catch {
    return {}; // SyntaxError: the file is missing, still being written, or not JSON
  }
}

/**
 * Reads a small regular file in a folder that a container may be able to write. The container may have put another
 * kind of file there: a FIFO, at which open(2) would block, or a device that notices open(2). So it is opened with
 * O_PATH first, which has no side effects.
 *
 * @returns undefined when there is no such regular file
 */
export function readUntrustedFile(path: string): string | undefined {
  let place: number | undefined;
  try {
    place = openSync(path, O_PATH | constants.O_NOFOLLOW);
    const stats = fstatSync(place);
    if (!stats.isFile() || stats.size > MAX_FILE_BYTES) return undefined;
    return readFileSync(`/proc/self/fd/${place}`, 'utf8');
  } catch {
    return undefined; // ENOENT or EACCES
  } finally {
    if (place !== undefined) closeSync(place);
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // ENOENT: no containerd here; ENOTDIR: not a bundle
  }
}
