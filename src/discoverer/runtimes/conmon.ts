/** Source of containers: the conmon(8) processes of Podman and CRI-O. */
import { readArguments, type ProcessFacts, type ProcessTable } from '../process-table.js';
import type { SourceBudget } from '../source-budget.js';
import { isTrusted, limitsOf, sourceOf, type Claimant, type Claims } from './claims.js';
import { detailsOf, firstText, isRecord, podOf, type Container, type Labels } from './container.js';
import { readAnnotations } from './containerd-bundles.js';
import { foreignRoot, type FileRoot } from './foreign-files.js';

const CONMON = 'conmon';

/**
 * Lists the containers of Podman and CRI-O by the conmon(8) that monitors each of them. This finds them even while
 * Podman's API socket has no listener, and for each user.
 */
export function* findMonitoredContainers(
  procRoot: string,
  table: ProcessTable,
  claims: Claims,
  budget: SourceBudget,
  problems: string[],
): Generator<Container> {
  const children = new Map<number, ProcessFacts>();
  for (const each of table.values()) {
    if (table.get(each.parent)?.command === CONMON) children.set(each.parent, each);
  }
  const roots = new Map<string, FileRoot>();
  const skipped = new Set<string>();
  for (const [pid, child] of children) {
    const monitor = table.get(pid);
    if (!monitor) continue;
    const claimant = claims.claimant(monitor);
    const source = sourceOf(claimant);
    if (!budget.hasTime(source)) {
      skipped.add(source);
      continue;
    }
    const beginMs = performance.now();
    const root = roots.get(monitor.mountNamespace) ?? foreignRoot(procRoot, pid);
    roots.set(monitor.mountNamespace, root);
    const container = monitoredContainer(procRoot, root, pid, child, claimant, claims);
    budget.count(source, beginMs);
    if (container) yield container;
  }
  for (const source of skipped) {
    problems.push(
      `cannot list all containers of ${source.slice(0, 12)}: reading their configuration takes too long`,
    );
  }
}

function monitoredContainer(
  procRoot: string,
  foreign: FileRoot,
  monitor: number,
  child: ProcessFacts,
  claimant: Claimant,
  claims: Claims,
): Container | undefined {
  const { id, name, bundle } = parseConmon(readArguments(procRoot, monitor)) ?? {};
  if (!id || !name) return undefined;
  const process = claims.rootProcess(claimant, id) ?? (claims.mayClaim(claimant, child) ? child : undefined);
  if (!process) return undefined;
  const root = isTrusted(claimant) ? { path: foreign.path, followsLinks: true } : foreign;
  const annotations = bundle ? readAnnotations(root, bundle) : {};
  const pod = podOf(annotations, limitsOf(claimant).nameBytes);
  const type = annotations['io.container.manager'] === 'cri-o' ? 'cri-o' : 'podman';
  const image = firstText(annotations, CRIO_IMAGES);
  const details = detailsOf(crioLabels(annotations), image);
  return { id, type, name, process, claimant, ...details, ...(pod && { pod }) };
}

/** Annotations of CRI-O: the name of the image, and all labels in JSON, of a sandbox those of its pod. */
const CRIO_IMAGES = ['io.kubernetes.cri-o.ImageName', 'io.kubernetes.cri-o.Image'];
const CRIO_LABELS = 'io.kubernetes.cri-o.Labels';

function crioLabels(annotations: Labels): Labels {
  const json = annotations[CRIO_LABELS];
  try {
    const labels: unknown = typeof json === 'string' ? JSON.parse(json) : undefined;
    return isRecord(labels) ? labels : {};
  } catch {
    return {}; // SyntaxError: no JSON
  }
}

/**
 * Parses the options `-c ID`, `-n NAME` and `-b BUNDLE` of a conmon.
 *
 * @returns undefined when it monitors a program that was run in a container later (`--exec`)
 */
export function parseConmon(
  args: readonly string[],
): { id?: string; name?: string; bundle?: string } | undefined {
  // The arguments after this option are a command line of Podman, to be run when the container ends.
  const end = args.indexOf('--exit-command');
  const own = end < 0 ? args : args.slice(0, end);
  if (own.includes('-e') || own.includes('--exec')) return undefined;
  const valueOf = (...options: string[]): string | undefined => {
    const at = own.findIndex((argument) => options.includes(argument));
    return at < 0 ? undefined : own[at + 1] || undefined;
  };
  const id = valueOf('-c', '--cid');
  const name = valueOf('-n', '--name');
  const bundle = valueOf('-b', '--bundle');
  return { ...(id && { id }), ...(name && { name }), ...(bundle && { bundle }) };
}
