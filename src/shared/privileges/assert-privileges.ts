import { privilegesBeyond } from './held-privileges.js';
import type { Role } from './role-capabilities.js';

/** A process has more powers than its role may have. */
export class ExcessPrivilegesError extends Error {
  constructor(role: Role, held: readonly string[]) {
    super(`the ${role} still has privileges (${held.join(', ')}) and so refuses to serve strangers`);
    this.name = 'ExcessPrivilegesError';
  }
}

/** @throws ExcessPrivilegesError when this process can do more than its role needs */
export function assertPrivileges(role: Role): void {
  const held = privilegesBeyond(role);
  if (held.length > 0) throw new ExcessPrivilegesError(role, held);
}
