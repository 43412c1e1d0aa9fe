import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { CapabilityName, CapabilitySet } from '../shared/privileges/capabilities.js';
import { ROLE_CAPABILITIES, type Role } from '../shared/privileges/privileges.js';
import type { Command } from './child-process.js';

/** An ordinary user with a group. */
export interface ServiceUser {
  readonly uid: number;
  readonly gid: number;
}

/** The privileges that the supervisor can grant; each child gets only what its role needs. */
export interface GrantedPrivileges {
  /** The ambient capabilities of the supervisor, or what it is permitted as root; see capabilities(7). */
  readonly capabilities: CapabilitySet;
  /** The supervisor is still root, because this user may not read the code; see docs/adr/0011-dropping-root.md. */
  readonly closedTo?: ServiceUser;
}

/**
 * Kills a child when the main thread of the supervisor ends, even by SIGKILL: PR_SET_PDEATHSIG(2const). Node.js starts
 * all children from its main thread, so here this means the whole process. A change of user clears the setting; the
 * lifeline (see child-process.ts) works even then.
 */
const DIE_WITH_PARENT = ['--pdeathsig', 'KILL'];
/** No program that a child executes gains privileges by a set-user-ID bit or by file capabilities. */
const NO_NEW_PRIVILEGES = ['--no-new-privs'];
/** Needed to drop root; the last one empties the bounding set. */
const TO_DROP_ROOT = ['SETUID', 'SETGID', 'SETPCAP'] as const;
/** Where only root may read the code, the server starts as user 0 with only these: to read it and to change its user. */
const UNTIL_LOADED = ['SETUID', 'SETGID', 'DAC_READ_SEARCH'] as const;

/** The capabilities that are needed to drop root completely and that are not in the set. */
export function missingForDroppingRoot(capabilities: CapabilitySet): CapabilityName[] {
  return TO_DROP_ROOT.filter((name) => !capabilities.has(name));
}

/** Wraps a command of root, so that it runs irrevocably as that user, with only the capabilities of its role. */
export function asUser(role: Role, user: ServiceUser, command: Command, held: CapabilitySet): Command {
  const { uid, gid } = user;
  return withSetpriv(
    [
      ...['--reuid', String(uid), '--regid', String(gid), '--clear-groups'],
      ...capabilityOptions(ROLE_CAPABILITIES[role], [], held),
    ],
    command,
  );
}

/** Wraps the command of a child, so that it has only the capabilities of its role and dies with the supervisor. */
export function asRole(
  role: 'server' | 'engine' | 'discoverer',
  command: Command,
  granted: GrantedPrivileges,
): Command {
  const loading = role === 'server' && granted.closedTo !== undefined;
  return withSetpriv(
    [
      ...(loading ? ['--clear-groups'] : idOptions(granted)),
      ...capabilityOptions(ROLE_CAPABILITIES[role], loading ? UNTIL_LOADED : [], granted.capabilities),
      ...DIE_WITH_PARENT,
    ],
    command,
  );
}

/**
 * Where only root may read the code, the processes that no client can reach stay user 0, but as an ordinary user: the
 * secure bits say that execve(2) gives it no capabilities. The group is the one that may use the runtime directory.
 */
function idOptions({ closedTo }: GrantedPrivileges): string[] {
  if (!closedTo) return [];
  return ['--regid', String(closedTo.gid), '--clear-groups', '--securebits', '+noroot,+noroot_locked'];
}

/** Changing the bounding set takes CAP_SETPCAP; with no_new_privs set it makes no difference. */
function capabilityOptions(
  kept: readonly CapabilityName[],
  bounding: readonly CapabilityName[],
  held: CapabilitySet,
): string[] {
  return [
    `--inh-caps=${only(kept, held)}`,
    `--ambient-caps=${only(kept, held)}`,
    ...(held.has('SETPCAP') ? [`--bounding-set=${only([...kept, ...bounding], held)}`] : []),
  ];
}

function only(names: readonly CapabilityName[], held: CapabilitySet): string {
  const kept = names.filter((name) => held.has(name));
  return ['-all', ...kept.map((name) => `+${name.toLowerCase()}`)].join(',');
}

function withSetpriv(options: readonly string[], { file, args }: Command): Command {
  return { file: SETPRIV, args: [...options, ...NO_NEW_PRIVILEGES, '--', file, ...args] };
}

export const SETPRIV = 'setpriv';

/** The path of setpriv(1), from the directories of `searchPath` (the variable PATH); undefined: it is in none. */
export function findSetpriv(searchPath: string): string | undefined {
  return searchPath
    .split(delimiter)
    .map((folder) => join(folder, SETPRIV))
    .find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false; // ENOENT, or EACCES: not executable
  }
}
