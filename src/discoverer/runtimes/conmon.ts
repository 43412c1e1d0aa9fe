/** Source of containers: the conmon(8) processes of Podman and CRI-O. */
import { readArguments, type ProcessFacts, type ProcessTable } from '../process-table.js';
import type { ContainerMembership } from './cgroup.js';
import { podOf, type Container } from './container.js';
import { readAnnotations } from './containerd-bundles.js';

const CONMON = 'conmon';

/**
 * Lists the containers of Podman and CRI-O by the conmon(8) that monitors each of them. This finds them even while
 * Podman's API socket has no listener, and for each user.
 */
export function findMonitoredContainers(
  procRoot: string,
  table: ProcessTable,
  membership: ContainerMembership,
): Container[] {
  const children = new Map<number, ProcessFacts>();
  for (const each of table.values()) {
    if (table.get(each.parent)?.command === CONMON) children.set(each.parent, each);
  }
  return [...children].flatMap(([monitor, child]) =>
    monitoredContainer(procRoot, monitor, child, table, membership),
  );
}

function monitoredContainer(
  procRoot: string,
  monitorPid: number,
  child: ProcessFacts,
  table: ProcessTable,
  membership: ContainerMembership,
): Container[] {
  const { id, name, bundle } = parseConmon(readArguments(procRoot, monitorPid)) ?? {};
  if (!id || !name) return [];
  const monitor = table.get(monitorPid);
  const outer = monitor && membership.containerOf(monitor);
  const labels = bundle ? readAnnotations(`${procRoot}/${monitorPid}/root${bundle}`) : {};
  const pod = podOf(labels);
  const type = labels['io.container.manager'] === 'cri-o' ? 'cri-o' : 'podman';
  const process = membership.rootProcess(id) ?? child;
  return [{ id, type, name, process, ...(pod && { pod }), ...(outer !== undefined && { outer }) }];
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
