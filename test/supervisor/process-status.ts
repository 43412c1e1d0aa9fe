import { readdirSync, readFileSync } from 'node:fs';

/** Who a process is and what it may do, as the kernel tells it in proc_pid_status(5). */
export interface Privileges {
  /** Real, effective, saved and file system id. */
  readonly uids: readonly number[];
  readonly gids: readonly number[];
  readonly groups: readonly number[];
  readonly inheritable: string;
  readonly permitted: string;
  readonly effective: string;
  readonly bounding: string;
  readonly ambient: string;
  readonly noNewPrivileges: boolean;
}

export const NO_CAPABILITIES = '0000000000000000';

/** The privileges of a process, which are those of each of its threads; throws when they differ. */
export function privilegesOf(pid: number): Privileges {
  const [first, ...others] = readdirSync(`/proc/${pid}/task`).map((thread) =>
    privilegesIn(readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8')),
  );
  if (!first) throw new Error(`process ${pid} has no threads`);
  for (const other of others) expect(other).toEqual(first);
  return first;
}

/** From the text of such a file. */
export function privilegesIn(status: string): Privileges {
  const field = (name: string): string =>
    new RegExp(`^${name}:[ \\t]*(.*)$`, 'm').exec(status)?.[1]?.trim() ?? '';
  const ids = (name: string): number[] => field(name).split(/\s+/).filter(Boolean).map(Number);
  return {
    uids: ids('Uid'),
    gids: ids('Gid'),
    groups: ids('Groups'),
    inheritable: field('CapInh'),
    permitted: field('CapPrm'),
    effective: field('CapEff'),
    bounding: field('CapBnd'),
    ambient: field('CapAmb'),
    noNewPrivileges: field('NoNewPrivs') === '1',
  };
}

/** The same id four times: there is no other to go back to. */
export function only(id: number): number[] {
  return [id, id, id, id];
}

/** A mask of these bit numbers, as the kernel writes it; see linux/capability.h. */
export function mask(...bits: readonly number[]): string {
  return bits
    .reduce((sum, bit) => sum | (1n << BigInt(bit)), 0n)
    .toString(16)
    .padStart(16, '0');
}
