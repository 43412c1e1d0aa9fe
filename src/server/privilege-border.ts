import { Injectable, type OnModuleInit } from '@nestjs/common';
import { ServerEnvironment } from './config/server-environment.js';
import { assertPrivileges } from '../shared/privileges/assert-privileges.js';

/**
 * Sees to it that the server has no privileges when the first stranger comes. Not earlier: what Nest loads late, it
 * has loaded by now, and in a folder closed to the user nothing can be loaded afterwards. Not later: some modules
 * listen as soon as all have been initialized.
 */
@Injectable()
export class PrivilegeBorder implements OnModuleInit {
  constructor(private readonly config: ServerEnvironment) {}

  /** @throws ExcessPrivilegesError */
  onModuleInit(): void {
    const { become, supervised } = this.config;
    if (become) giveUpRoot(become);
    if (supervised) assertPrivileges('server');
  }
}

/**
 * Becomes an ordinary user for good. From user 0 that takes away all capabilities, too, of all threads: see
 * "Effect of user ID changes on capabilities" in capabilities(7).
 */
function giveUpRoot({ uid, gid }: { readonly uid: number; readonly gid: number }): void {
  process.setgroups?.([]);
  process.setgid?.(gid);
  process.setuid?.(uid);
}
