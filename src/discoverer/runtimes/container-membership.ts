import { parseCgroup, type CgroupContainer } from './cgroup.js';
import { readText } from '../../shared/linux/proc.js';
import { oldest, type ProcessFacts, type ProcessTable } from '../process-table.js';

/**
 * Which processes belong to which container, by their control groups. Those are read only where a container may
 * begin: where a process has another mount or network namespace than its parent.
 */
export class ContainerMembership {
  private readonly begins = new Map<number, CgroupContainer | undefined>();
  private readonly members = new Map<string, ProcessFacts[]>();
  private readonly nameds = new Map<string, CgroupContainer>();

  constructor(
    procRoot: string,
    private readonly table: ProcessTable,
  ) {
    for (const each of table.values()) {
      const parent = table.get(each.parent);
      if (parent && parent.mountNamespace === each.mountNamespace && parent.netns === each.netns) continue;
      const container = parseCgroup(readText(`${procRoot}/${each.pid}/cgroup`) ?? '');
      this.begins.set(each.pid, container);
      if (container) this.add(container, each);
    }
  }

  /** The innermost container that a process is in. */
  containerOf(member: ProcessFacts): string | undefined {
    let current: ProcessFacts | undefined = member;
    // A table that is not of one moment may have a loop: ids are used again.
    for (let steps = 0; current && steps < this.table.size; steps++) {
      if (this.begins.has(current.pid)) return this.begins.get(current.pid)?.id;
      current = this.table.get(current.parent);
    }
    return undefined;
  }

  /** The process that a container began with: what is run in it later has a younger one. */
  rootProcess(id: string): ProcessFacts | undefined {
    return oldest(this.members.get(id) ?? []);
  }

  /** Containers that are known by their control groups alone. */
  get named(): Iterable<CgroupContainer> {
    return this.nameds.values();
  }

  private add(container: CgroupContainer, member: ProcessFacts): void {
    const members = this.members.get(container.id);
    if (members) members.push(member);
    else this.members.set(container.id, [member]);
    if (container.named) this.nameds.set(container.id, container);
  }
}
