import { Injectable } from '@nestjs/common';
import { hostname } from 'node:os';
import { PROJECT_LABELS, selectionOf, type TargetSelector } from '../../shared/protocol/target-selector.js';
import { DiscoveryConfig } from '../config/discovery.config.js';
import { podNamespaceOf, projectOf, type DirectoryEntry } from './target-directory.js';

/** Type of the pseudo-targets by which clients that know no sets capture one. */
export const SET_TYPE = 'set';

const ALL = '*';
const COMPOSE = 'compose:';
const NAMESPACE = 'namespace:';

/** The sets of targets that have names: all containers and pods, each Compose project, each pod namespace, and configured ones. */
@Injectable()
export class NamedTargetSets {
  /** Name of this host. */
  readonly node: string;
  /** Maximum number of members of a set at the same time. */
  readonly maxMembers: number;

  constructor(private readonly config: DiscoveryConfig) {
    this.node = config.nodeName ?? hostname();
    this.maxMembers = config.maxTargets;
  }

  /** Selects from a list of targets, as `selectionOf` does. */
  selection(selectors: readonly TargetSelector[]): (entries: readonly DirectoryEntry[]) => DirectoryEntry[] {
    const select = selectionOf(selectors);
    return (entries) => {
      const targets = entries.map((entry) => ({
        ...entry,
        entry,
        namespace: podNamespaceOf(entry),
        node: entry.node ?? this.node,
      }));
      return select(targets).map(({ entry }) => entry);
    };
  }

  /** @returns undefined when there is no set of that name; a project or namespace need not exist yet */
  selectorsOf(name: string): readonly TargetSelector[] | undefined {
    if (name === ALL) return [{}];
    if (name.startsWith(COMPOSE)) {
      return PROJECT_LABELS.map((label) => ({ labels: { [label]: name.slice(COMPOSE.length) } }));
    }
    if (name.startsWith(NAMESPACE)) return [{ namespace: name.slice(NAMESPACE.length) }];
    return this.config.targetSets.find((each) => each.name === name)?.selectors;
  }

  /** All sets for a list of targets, as pseudo-targets with the attributes of GhostWire's `/mobyshark`. */
  listed(entries: Iterable<Pick<DirectoryEntry, 'type' | 'name' | 'labels'>>): object[] {
    const unknown = { netns: 0, 'network-interfaces': ['any'], pid: 0, starttime: 0, prefix: '' };
    return this.names(entries).map((name) => ({ name, type: SET_TYPE, ...unknown }));
  }

  private names(entries: Iterable<Pick<DirectoryEntry, 'type' | 'name' | 'labels'>>): string[] {
    const projects = new Set<string>();
    const namespaces = new Set<string>();
    for (const entry of entries) {
      const project = projectOf(entry);
      const namespace = podNamespaceOf(entry);
      if (project) projects.add(project);
      if (namespace) namespaces.add(namespace);
    }
    return [
      ALL,
      ...this.config.targetSets.map(({ name }) => name),
      ...[...projects].sort().map((project) => COMPOSE + project),
      ...[...namespaces].sort().map((namespace) => NAMESPACE + namespace),
    ];
  }
}
