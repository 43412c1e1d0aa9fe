import { rmSync } from 'node:fs';
import type { Server } from 'node:net';

/**
 * Listens at a unix socket to which every user may connect who can enter its folder; what an earlier process has left there
 * is replaced. Its permissions are right from the beginning: setting them afterwards, by the path, would follow a link that
 * another user of the folder has put in its place.
 */
export function listenForAll(server: Server, path: string): Promise<void> {
  rmSync(path, { force: true });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    const umask = process.umask(0);
    try {
      server.listen(path, resolve); // makes the socket before it returns
    } finally {
      process.umask(umask);
    }
  });
}
