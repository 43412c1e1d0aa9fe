import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A unix socket's path has room for 107 bytes (unix(7)), of which our own names take about 50. */
const MAX_PARENT_BYTES = 55;

/** Its group may do everything, others nothing. */
const MODE_OF_A_GROUP = 0o770;

/**
 * The private folder (0700, by mkdtemp(3)) that holds the sockets of engines and discoverer while the service
 * runs. Its name tells whose it is, so that the next start can remove what a supervisor left that was killed.
 */
export class RuntimeDirectory {
  private constructor(readonly path: string) {}

  /**
   * Makes the folder in the first of `parents` that lets us; throws an `AggregateError` when none does.
   *
   * @param group who may use it beside us; absent: nobody
   */
  static create(group?: number, parents: readonly string[] = ['/run', tmpdir(), '/tmp']): RuntimeDirectory {
    const failures: unknown[] = [];
    for (const parent of parents) {
      try {
        if (Buffer.byteLength(parent) > MAX_PARENT_BYTES) {
          throw new Error(`${parent}: no room for the name of a socket`);
        }
        removeLeftovers(parent);
        return new RuntimeDirectory(makeFolder(join(parent, `${namePrefix()}${process.pid}-`), group));
      } catch (error) {
        failures.push(error);
      }
    }
    throw new AggregateError(failures, `cannot make a runtime directory in any of ${parents.join(', ')}`);
  }

  engineSocket(index: number): string {
    return join(this.path, `engine-${index}.sock`);
  }

  get discovererSocket(): string {
    return join(this.path, 'discoverer.sock');
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** A file belongs to the group of who makes it. To give it away afterwards would take CAP_CHOWN. */
function makeFolder(prefix: string, group: number | undefined): string {
  if (group === undefined) return mkdtempSync(prefix);
  const ours = process.getegid?.() ?? 0;
  process.setegid?.(group);
  try {
    const path = mkdtempSync(prefix);
    chmodSync(path, MODE_OF_A_GROUP);
    return path;
  } finally {
    process.setegid?.(ours);
  }
}

/** Containers may share /run, and process ids mean nothing in another namespace: see pid_namespaces(7). */
function namePrefix(): string {
  return `packetflix-${statSync('/proc/self/ns/pid').ino}-`;
}

function removeLeftovers(parent: string): void {
  const prefix = namePrefix();
  for (const name of readdirSync(parent).filter((candidate) => candidate.startsWith(prefix))) {
    const [pid] = name.slice(prefix.length).split('-');
    if (existsSync(`/proc/${pid}`)) continue;
    try {
      rmSync(join(parent, name), { recursive: true, force: true });
    } catch {
      // Another user's. It is in nobody's way.
    }
  }
}
