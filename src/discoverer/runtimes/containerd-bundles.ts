/** Source of containers: the OCI bundles that containerd makes for its runtimes. */
import { readProcess } from '../process-table.js';
import { limitsOf, type Claims } from './claims.js';
import { detailsOf, isRecord, podOf, type Container, type Labels } from './container.js';
import { listForeignFolder, readForeignFile, type FileRoot } from './foreign-files.js';
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
/** Of Kubernetes. */
const IMAGE_LABEL = 'io.kubernetes.cri.image-name';
/** The configuration of a bundle has about 10 kB. */
const MAX_FILE_BYTES = 1024 * 1024;
const MAX_PID_BYTES = 16;
const MAX_NAMESPACES = 64;

/**
 * Lists containerd's containers in the file system of a runtime, one at a time: the caller may have had enough.
 *
 * @see https://github.com/opencontainers/runtime-spec/blob/main/config.md
 */
export function* findBundledContainers(
  procRoot: string,
  root: RuntimeRoot,
  claims: Claims,
): Generator<Container | undefined> {
  const max = limitsOf(root.claimant).containers;
  for (const folder of TASK_FOLDERS) {
    for (const namespace of listForeignFolder(root, folder, MAX_NAMESPACES)) {
      if (namespace === DOCKER_NAMESPACE) continue;
      for (const id of listForeignFolder(root, `${folder}/${namespace}`, max)) {
        yield bundledContainer(procRoot, root, folder, namespace, id, claims);
      }
    }
  }
}

function bundledContainer(
  procRoot: string,
  root: RuntimeRoot,
  folder: string,
  namespace: string,
  id: string,
  claims: Claims,
): Container | undefined {
  const { claimant } = root;
  const bundle = `${folder}/${namespace}/${id}`;
  const process = claims.rootProcess(claimant, id) ?? recordedProcess(procRoot, root, bundle, claims);
  if (!process) return undefined;
  const { nameBytes } = limitsOf(claimant);
  const labels = readAnnotations(root, bundle);
  const pod = podOf(labels, nameBytes);
  const given = labels[NAME_LABEL];
  const name = typeof given === 'string' && given !== '' ? given : id;
  return {
    id,
    type: 'containerd',
    name: namespace === DEFAULT_NAMESPACE ? name : `${namespace}/${name}`,
    process,
    claimant,
    // containerd tells labels at its API only. Annotations are what nerdctl and Kubernetes put into the bundle.
    ...detailsOf(labels, labels[IMAGE_LABEL]),
    ...(pod && { pod }),
  };
}

function recordedProcess(
  procRoot: string,
  root: RuntimeRoot,
  bundle: string,
  claims: Claims,
): Container['process'] | undefined {
  const { claimant } = root;
  // The process id in the bundle is of containerd's PID namespace, which is ours only on the host.
  if (claimant.path !== '') return undefined;
  const pid = Number(readForeignFile(root, `${bundle}/init.pid`, MAX_PID_BYTES));
  const process = pid > 0 ? readProcess(procRoot, pid) : undefined;
  return process && claims.mayClaim(claimant, process) ? process : undefined;
}

/** Reads the annotations in the config.json of an OCI bundle; none where it cannot be read. */
export function readAnnotations(root: FileRoot, bundle: string): Labels {
  try {
    const config: unknown = JSON.parse(readForeignFile(root, `${bundle}/config.json`, MAX_FILE_BYTES) ?? '');
    return isRecord(config) && isRecord(config['annotations']) ? config['annotations'] : {};
  } catch {
    return {}; // SyntaxError: the file is missing, still being written, or not JSON
  }
}
