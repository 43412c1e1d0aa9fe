import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The path of a unix socket is limited to 107 bytes (unix(7)); the names below the parent take about 50. */
const MAX_PARENT_BYTES = 55;

/** Full access for the group, none for others. */
const MODE_OF_A_GROUP = 0o770;

/**
 * The private directory (0700, by mkdtemp(3)) for the sockets of engines and discoverer while the service runs. Its name
 * has the process id of its supervisor, so that the next start can remove the directory of a supervisor that was killed.
 */
export class RuntimeDirectory {
  private constructor(readonly path: string) {}

  /**
   * Creates the directory in the first of `parents` where that is possible.
   *
   * @param group a group that may use the directory, too; absent: none
   * @throws AggregateError when it is possible in none of them
   */
  static create(group?: number, parents: readonly string[] = ['/run', tmpdir(), '/tmp']): RuntimeDirectory {
    const failures: unknown[] = [];
    for (const parent of parents) {
      try {
        if (Buffer.byteLength(parent) > MAX_PARENT_BYTES) {
          throw new Error(`${parent}: path too long for a socket in it`);
        }
        removeLeftovers(parent);
        return new RuntimeDirectory(createDirectory(join(parent, `${namePrefix()}${process.pid}-`), group));
      } catch (error) {
        failures.push(error);
      }
    }
    throw new AggregateError(failures, `cannot create a runtime directory in any of ${parents.join(', ')}`);
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

/** A new directory belongs to the group of the process. Changing its group afterwards would take CAP_CHOWN. */
function createDirectory(prefix: string, group: number | undefined): string {
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

/** Containers may share /run, and a process id is valid in its pid_namespaces(7) only, so the name has both. */
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
      // EACCES or EPERM: it belongs to another user, and its name does not clash with ours.
    }
  }
}
