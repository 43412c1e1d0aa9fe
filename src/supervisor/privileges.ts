import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { CapabilityName, CapabilitySet } from '../shared/privileges/capabilities.js';
import { ROLE_CAPABILITIES, type Role } from '../shared/privileges/role-capabilities.js';
import type { Command } from './roles.js';
import type { ServiceUser } from './service-user.js';

/** What the supervisor has, of which its children get as little as they need. */
export interface GrantedPrivileges {
  /** What it can hand on: its ambient capabilities, as root what it may do itself; see capabilities(7). */
  readonly capabilities: CapabilitySet;
  /** The supervisor is still root, since the code is in a folder closed to this user; see docs/adr. */
  readonly closedTo?: ServiceUser;
}

/**
 * Ends a child when the supervisor's main thread ends, SIGKILL included: PR_SET_PDEATHSIG(2const). Node starts
 * all children from its main thread, so thread and process are the same here. A change of user clears it; the
 * lifeline (see child-process.ts) is the second net.
 */
const DIE_WITH_PARENT = ['--pdeathsig', 'KILL'];
/** No program that a child starts gives it any privileges, whatever user or capabilities its file is marked with. */
const NO_NEW_PRIVILEGES = ['--no-new-privs'];
/** Without them nobody gets rid of root; the last is for the bounding set. */
const GIVING_UP_ROOT = ['SETUID', 'SETGID', 'SETPCAP'] as const;
/** In a closed folder the server begins as root without powers but these, to read the code and to become another. */
const UNTIL_LOADED = ['SETUID', 'SETGID', 'DAC_READ_SEARCH'] as const;

/** What root lacks to become somebody else, and completely. */
export function missingForGivingUpRoot(capabilities: CapabilitySet): CapabilityName[] {
  return GIVING_UP_ROOT.filter((name) => !capabilities.has(name));
}

/** Wraps a command that root starts: it is another user for good, with what its role needs and nothing else. */
export function asUser(role: Role, user: ServiceUser, command: Command, ours: CapabilitySet): Command {
  const { uid, gid } = user;
  return withSetpriv(
    [
      ...['--reuid', String(uid), '--regid', String(gid), '--clear-groups'],
      ...capabilityOptions(ROLE_CAPABILITIES[role], [], ours),
    ],
    command,
  );
}

/** Wraps the command of a child, so that it has what its role needs and nothing else, and shares our end. */
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
 * Where only root may read the code, those that no stranger talks to stay user 0, made an ordinary user: an exec
 * gives it no capabilities. The group is the one that may use the runtime directory.
 */
function idOptions({ closedTo }: GrantedPrivileges): string[] {
  if (!closedTo) return [];
  return ['--regid', String(closedTo.gid), '--clear-groups', '--securebits', '+noroot,+noroot_locked'];
}

/** The bounding set can only be changed with CAP_SETPCAP; without new privileges it does not matter. */
function capabilityOptions(
  kept: readonly CapabilityName[],
  bounding: readonly CapabilityName[],
  ours: CapabilitySet,
): string[] {
  return [
    `--inh-caps=${only(kept, ours)}`,
    `--ambient-caps=${only(kept, ours)}`,
    ...(ours.has('SETPCAP') ? [`--bounding-set=${only([...kept, ...bounding], ours)}`] : []),
  ];
}

function only(names: readonly CapabilityName[], ours: CapabilitySet): string {
  const held = names.filter((name) => ours.has(name));
  return ['-all', ...held.map((name) => `+${name.toLowerCase()}`)].join(',');
}

function withSetpriv(options: readonly string[], { file, args }: Command): Command {
  return { file: SETPRIV, args: [...options, ...NO_NEW_PRIVILEGES, '--', file, ...args] };
}

export const SETPRIV = 'setpriv';

/** Where setpriv(1) is, in the folders of `searchPath` (the variable PATH); undefined: it is in none. */
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
    return false;
  }
}
