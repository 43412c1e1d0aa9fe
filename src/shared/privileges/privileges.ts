import { readdirSync, readFileSync } from 'node:fs';
import { CapabilitySet, type CapabilityName } from './capabilities.js';

/** The processes of the service. */
export type Role = 'supervisor' | 'server' | 'engine' | 'discoverer' | 'filter compiler';

const ENGINE = ['SYS_PTRACE', 'SYS_ADMIN', 'NET_RAW', 'DAC_READ_SEARCH'] as const;
/** DAC_OVERRIDE opens the sockets of container runtimes, which only root or a certain group may use. */
const DISCOVERER = ['SYS_PTRACE', 'SYS_ADMIN', 'DAC_READ_SEARCH', 'DAC_OVERRIDE'] as const;

/**
 * The capabilities that each role keeps, if the service was started with them; it drops all others. docs/options.md
 * says what they are for.
 */
export const ROLE_CAPABILITIES: Readonly<Record<Role, readonly CapabilityName[]>> = {
  // Those that it grants to its children, and SETPCAP, to empty their bounding sets.
  supervisor: [...new Set([...ENGINE, ...DISCOVERER, 'SETPCAP' as const])],
  server: [],
  engine: ENGINE,
  discoverer: DISCOVERER,
  'filter compiler': [],
};

/** Roles that have dropped root. User 0 owns most files of the host, even without any capability. */
const NEVER_ROOT: readonly Role[] = ['supervisor', 'server'];

/**
 * The sets that matter: what the process may do now, what it may regain, and what its children inherit. The bounding
 * set only limits what a process may *gain*, which `NoNewPrivs` rules out. See capabilities(7).
 */
const SETS = ['CapInh', 'CapPrm', 'CapEff', 'CapAmb'] as const;

/** A process has privileges that its role must not have. */
export class ExcessPrivilegesError extends Error {
  constructor(role: Role, privileges: readonly string[]) {
    super(
      `the ${role} still has privileges (${privileges.join(', ')}) and refuses to serve untrusted clients`,
    );
    this.name = 'ExcessPrivilegesError';
  }
}

/** @throws ExcessPrivilegesError when this process has privileges that its role must not have */
export function assertPrivileges(role: Role): void {
  const privileges = privilegesBeyond(role);
  if (privileges.length > 0) throw new ExcessPrivilegesError(role, privileges);
}

/**
 * The privileges of this process that its role must not have, in words; empty: none.
 *
 * Dropping privileges can fail without an error: `setpriv --bounding-set=-all` without CAP_SETPCAP changes nothing and
 * returns 0. Therefore each process checks the result.
 *
 * @param statuses content of /proc/self/task/TID/status, as privileges belong to threads; see proc_pid_status(5)
 */
export function privilegesBeyond(role: Role, statuses: readonly string[] = threadStatuses()): string[] {
  return [...new Set(statuses.flatMap((status) => privilegesOfThread(role, status)))];
}

function privilegesOfThread(role: Role, status: string): string[] {
  const privileges = SETS.flatMap((set) => {
    try {
      const mask = CapabilitySet.fromStatus(status, set).beyond(ROLE_CAPABILITIES[role]);
      return mask === undefined ? [] : [`${set} ${mask}`];
    } catch {
      return [`${set} unknown`]; // no such line: assume the worst
    }
  });
  if (!/^NoNewPrivs:\s*1$/m.test(status)) privileges.push('no_new_privs is not set');
  if (NEVER_ROOT.includes(role) && mayBeRoot(status)) privileges.push('user id 0');
  return privileges;
}

/** Checks the real, effective, saved and file system user id. Group 0 is allowed: containers give it to unknown users. */
function mayBeRoot(status: string): boolean {
  const ids = /^Uid:\s+(.*)$/m.exec(status)?.[1];
  return ids === undefined || ids.split(/\s+/).includes('0');
}

function threadStatuses(): string[] {
  const tasks = '/proc/self/task';
  return readdirSync(tasks).flatMap((thread) => {
    try {
      return [readFileSync(`${tasks}/${thread}/status`, 'utf8')];
    } catch {
      return []; // ENOENT or ESRCH: the thread has just ended
    }
  });
}
