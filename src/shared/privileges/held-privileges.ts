import { readdirSync, readFileSync } from 'node:fs';
import { CapabilitySet } from './capabilities.js';
import { ROLE_CAPABILITIES, type Role } from './role-capabilities.js';

/**
 * The sets that count: what the process may do now, what it may take back, and what it would hand on. The bounding
 * set only limits what a process may *get*, which `NoNewPrivs` rules out. See capabilities(7).
 */
const SETS = ['CapInh', 'CapPrm', 'CapEff', 'CapAmb'] as const;

/** Where root has been given up: most files of the host belong to it, even without any capability. */
const NEVER_ROOT: readonly Role[] = ['supervisor', 'server'];

/**
 * What a process may do beyond its role, in words; empty: nothing.
 *
 * Dropping privileges can fail without any error: `setpriv --bounding-set=-all` without CAP_SETPCAP changes
 * nothing and returns 0. So whoever is meant to have none, or few, looks for itself.
 *
 * @param statuses content of /proc/self/task/TID/status, as privileges belong to threads; see proc_pid_status(5)
 */
export function privilegesBeyond(role: Role, statuses: readonly string[] = statusOfEachThread()): string[] {
  return [...new Set(statuses.flatMap((status) => beyond(role, status)))];
}

function beyond(role: Role, status: string): string[] {
  const held = SETS.flatMap((set) => {
    try {
      const mask = CapabilitySet.fromStatus(status, set).beyond(ROLE_CAPABILITIES[role]);
      return mask === undefined ? [] : [`${set} ${mask}`];
    } catch {
      return [`${set} unknown`]; // what cannot be read might as well be everything
    }
  });
  if (!/^NoNewPrivs:\s*1$/m.test(status)) held.push('it may get new ones');
  if (NEVER_ROOT.includes(role) && mayBeRoot(status)) held.push('it is user 0');
  return held;
}

/** Real, effective, saved and file system user id. Group 0 is what containers give to users that they do not know. */
function mayBeRoot(status: string): boolean {
  const ids = /^Uid:\s+(.*)$/m.exec(status)?.[1];
  return ids === undefined || ids.split(/\s+/).includes('0');
}

function statusOfEachThread(): string[] {
  const tasks = '/proc/self/task';
  return readdirSync(tasks).flatMap((thread) => {
    try {
      return [readFileSync(`${tasks}/${thread}/status`, 'utf8')];
    } catch {
      return []; // it has just ended
    }
  });
}
