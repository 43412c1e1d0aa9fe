import { mkdtempSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child } from '../kit/child.js';
import type { CaptureClient } from '../kit/capture-client.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { removeFolder } from '../kit/teardown.js';

const SLEEP = '/bin/sleep';

/** A process with a name of its own, in a network namespace with a wire from `eth0` to `eth1`. */
export class NamedProcess implements AsyncDisposable {
  private constructor(
    private readonly child: Child,
    private readonly folder: string,
    private readonly name: string,
    readonly namespace: NetworkNamespace,
  ) {}

  /** @param namespace of another one; default: a new one, which ends with the process */
  static async start(name: string, namespace?: NetworkNamespace): Promise<NamedProcess> {
    const folder = mkdtempSync(join(tmpdir(), 'pf-process-'));
    const program = join(folder, name);
    symlinkSync(SLEEP, program); // the name of a process is that of its file
    const child = namespace
      ? await namespace.start(program, '1000')
      : await Child.start('unshare', ['--net', 'sh', '-c', `echo here; exec "$0" 1000`, program]);
    if (!namespace) await child.saying(/here/);
    const own = namespace ?? (await namespaceOf(child));
    return new NamedProcess(child, folder, name, own);
  }

  get pid(): number {
    return this.child.pid;
  }

  /** As the directory lists it. */
  get title(): string {
    return `${this.name}(${this.pid})`;
  }

  /** The name of its interface in the stream of a set. */
  nameOf(interfaceName: string): string {
    return `${this.title}:${interfaceName}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.child[Symbol.asyncDispose]();
    await removeFolder(this.folder);
  }
}

async function namespaceOf({ pid }: Child): Promise<NetworkNamespace> {
  const path = `/proc/${pid}/ns/net`;
  const namespace = await NetworkNamespace.heldBy({ path, release: () => Promise.resolve() });
  await namespace.addWire('eth0', 'eth1');
  return namespace;
}

/** All comments of a stream but those of its section, in order. */
export function commentsOf(client: CaptureClient): string[] {
  return [...client.interfaces, ...client.statistics].flatMap(({ comments }) => comments);
}
