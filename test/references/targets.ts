import { namespaceOfProcess } from '../kit/namespace-holders.js';
import { NetworkNamespace } from '../kit/namespace.js';
import type { Child } from '../kit/child.js';
import { inNamespace, startTimeOf, startWithId } from '../kit/processes.js';

/** A process as a reference names it. */
export interface ProcessFacts {
  readonly netns: number;
  readonly pid: number;
  readonly starttime: number;
}

/** A process that has ended, and the one that has its number now. */
export interface Replacement extends AsyncDisposable {
  readonly facts: ProcessFacts;
  readonly successor: Child;
}

/**
 * Namespaces whose only interface that is up tells where a capture really is: `first0`, `second0`, `bound0`. The
 * first two live by a process, the last one by a bind mount.
 */
export class Targets implements AsyncDisposable {
  private constructor(
    readonly first: NetworkNamespace & { readonly pid: number },
    readonly second: NetworkNamespace & { readonly pid: number },
    readonly bound: NetworkNamespace,
    private readonly made: AsyncDisposableStack,
  ) {}

  static async create(): Promise<Targets> {
    await using made = new AsyncDisposableStack();
    const first = made.use(await namespaceOfProcess());
    const second = made.use(await namespaceOfProcess());
    const bound = made.use(await NetworkNamespace.create());
    await addTellingInterface(first, 'first0');
    await addTellingInterface(second, 'second0');
    await addTellingInterface(bound, 'bound0');
    return new Targets(first, second, bound, made.move());
  }

  get firstProcess(): ProcessFacts {
    return factsOf(this.first.pid, this.first);
  }

  get secondProcess(): ProcessFacts {
    return factsOf(this.second.pid, this.second);
  }

  /** A process of a namespace that lives on without it. */
  async ended(namespace: NetworkNamespace): Promise<ProcessFacts> {
    await using child = await startIn(namespace);
    return factsOf(child.pid, namespace);
  }

  /** A process of one namespace that has ended, and another process with its number in a namespace. */
  async replaced(namespace: NetworkNamespace, by: NetworkNamespace): Promise<Replacement> {
    for (;;) {
      const facts = await this.ended(namespace);
      const successor = await startWithId(facts.pid, 'nsenter', `--net=${by.path}`, 'sleep', 'infinity');
      if (!successor) continue;
      await inNamespace(successor.pid, by.inode);
      return { facts, successor, [Symbol.asyncDispose]: () => successor[Symbol.asyncDispose]() };
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.made.disposeAsync();
  }
}

export function factsOf(pid: number, { inode }: NetworkNamespace): ProcessFacts {
  return { netns: inode, pid, starttime: startTimeOf(pid) };
}

/** The other end of the wire stays down, and so does not show. */
export async function addTellingInterface(namespace: NetworkNamespace, name: string): Promise<void> {
  await namespace.link(`add ${name} type veth`);
  await namespace.setUp(name);
}

async function startIn(namespace: NetworkNamespace): Promise<Child> {
  const child = await namespace.start('sleep', 'infinity');
  await inNamespace(child.pid, namespace.inode);
  return child;
}
