import { NestFactory } from '@nestjs/core';
import { WsAdapter } from '@nestjs/platform-ws';
import { assertPrivileges } from '../shared/privileges/privileges.js';
import type { ServerEnvironment } from '../shared/supervisor-link/supervisor-link.js';
import { HttpAdapter } from './http/http-adapter.js';

/**
 * Drops root if the supervisor could not do so before, and checks that this process has no privileges. Called before the
 * application is created, so that none of its modules ever runs with privileges; their code has been loaded by then.
 *
 * @throws ExcessPrivilegesError
 */
export async function ensureUnprivileged({ become, supervised }: ServerEnvironment): Promise<void> {
  if (become) {
    await loadNestCompletely();
    dropRoot(become);
  }
  if (supervised) assertPrivileges('server');
}

/**
 * Initializes an empty application. Nest imports some of its packages only then, and the resolution of an import reads
 * files every time that another module imports it: that would fail once this process is a user that may not read the
 * folder of the code.
 */
async function loadNestCompletely(): Promise<void> {
  const app = await NestFactory.create(class EmptyModule {}, new HttpAdapter(), {
    logger: false,
    abortOnError: false,
  });
  app.useWebSocketAdapter(new WsAdapter(app));
  await app.init();
  await app.close();
}

/**
 * Becomes an ordinary user, irrevocably. All threads of a process that was user 0 lose their capabilities by that: see
 * "Effect of user ID changes on capabilities" in capabilities(7).
 */
function dropRoot({ uid, gid }: { readonly uid: number; readonly gid: number }): void {
  process.setgroups?.([]);
  process.setgid?.(gid);
  process.setuid?.(uid);
}
