import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A unix socket's path has room for 107 bytes (unix(7)), of which our own names take about 30. */
const MAX_PARENT_BYTES = 70;

/** The private folder (0700, by mkdtemp(3)) that holds the engines' sockets while the service runs. */
export class RuntimeDirectory {
  private constructor(readonly path: string) {}

  /** Makes the folder in the first of `parents` that lets us; throws an `AggregateError` when none does. */
  static create(parents: readonly string[] = ['/run', tmpdir(), '/tmp']): RuntimeDirectory {
    const failures: unknown[] = [];
    for (const parent of parents) {
      try {
        if (Buffer.byteLength(parent) > MAX_PARENT_BYTES)
          throw new Error(`${parent}: path too long for sockets`);
        return new RuntimeDirectory(mkdtempSync(join(parent, 'packetflix-')));
      } catch (error) {
        failures.push(error);
      }
    }
    throw new AggregateError(failures, `cannot make a runtime directory in any of ${parents.join(', ')}`);
  }

  engineSocket(index: number): string {
    return join(this.path, `engine-${index}.sock`);
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
