import { readAnnotations } from './bundles.js';
import type { ContainerMembership } from './container-membership.js';
import { podOf, type Container } from './container.js';
import { readArguments, type ProcessFacts, type ProcessTable } from '../process-table.js';

const CONMON = 'conmon';

/**
 * Containers of Podman and CRI-O, by the conmon(8) that watches each of them: they are found that way even while
 * nobody listens at Podman's socket, whoever runs them.
 */
export function findWatchedContainers(
  procRoot: string,
  table: ProcessTable,
  membership: ContainerMembership,
): Container[] {
  const children = new Map<number, ProcessFacts>();
  for (const each of table.values()) {
    if (table.get(each.parent)?.command === CONMON) children.set(each.parent, each);
  }
  return [...children].flatMap(([watcher, child]) =>
    watchedContainer(procRoot, watcher, child, table, membership),
  );
}

function watchedContainer(
  procRoot: string,
  watcher: number,
  child: ProcessFacts,
  table: ProcessTable,
  membership: ContainerMembership,
): Container[] {
  const { id, name, bundle } = parseConmon(readArguments(procRoot, watcher)) ?? {};
  if (!id || !name) return [];
  const watching = table.get(watcher);
  const outer = watching && membership.containerOf(watching);
  const labels = bundle ? readAnnotations(`${procRoot}/${watcher}/root${bundle}`) : {};
  const pod = podOf(labels);
  const type = labels['io.container.manager'] === 'cri-o' ? 'cri-o' : 'podman';
  const process = membership.rootProcess(id) ?? child;
  return [{ id, type, name, process, ...(pod && { pod }), ...(outer !== undefined && { outer }) }];
}

/**
 * What the options `-c ID`, `-n NAME` and `-b BUNDLE` of a conmon say.
 *
 * @returns undefined when it watches a program that is run in a container later on
 */
export function parseConmon(
  args: readonly string[],
): { id?: string; name?: string; bundle?: string } | undefined {
  // What follows is Podman's own command line, to be run at the container's end.
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
