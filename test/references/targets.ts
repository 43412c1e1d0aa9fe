import { namespaceOfProcess } from '../kit/namespace-holders.js';
import { NetworkNamespace } from '../kit/namespace.js';
import type { Child } from '../kit/child.js';
import { inNamespace, startTimeOf, startWithId } from '../kit/processes.js';

/** Namespace and process, as in a container object. */
export interface ProcessFacts {
  readonly netns: number;
  readonly pid: number;
  readonly starttime: number;
}

/** A process that has ended, and another process that has got its process ID. */
export interface Replacement extends AsyncDisposable {
  readonly facts: ProcessFacts;
  readonly successor: Child;
}

/**
 * Three namespaces, in which a capture is recognized by the only interface that is up: `first0`, `second0` or `bound0`.
 * Processes keep the first two alive, a bind mount the last one.
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
    await addNamedInterface(first, 'first0');
    await addNamedInterface(second, 'second0');
    await addNamedInterface(bound, 'bound0');
    return new Targets(first, second, bound, made.move());
  }

  get firstProcess(): ProcessFacts {
    return factsOf(this.first.pid, this.first);
  }

  get secondProcess(): ProcessFacts {
    return factsOf(this.second.pid, this.second);
  }

  /** A process that has ended, in a namespace that still exists. */
  async ended(namespace: NetworkNamespace): Promise<ProcessFacts> {
    await using child = await startIn(namespace);
    return factsOf(child.pid, namespace);
  }

  /** Starts and ends a process in a namespace, then starts another with the same process ID in the namespace `by`. */
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

/** Adds an interface and sets it up; its peer stays down, so that it is not captured. */
export async function addNamedInterface(namespace: NetworkNamespace, name: string): Promise<void> {
  await namespace.link(`add ${name} type veth`);
  await namespace.setUp(name);
}

async function startIn(namespace: NetworkNamespace): Promise<Child> {
  const child = await namespace.start('sleep', 'infinity');
  await inNamespace(child.pid, namespace.inode);
  return child;
}
