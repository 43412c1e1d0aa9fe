import { closeSync, fstatSync, openSync, statSync } from 'node:fs';
import { namespaceOwner, parentNamespace } from './libc.js';
import { readText } from './proc.js';

/**
 * The user who controls a process: of a process in a user namespace below ours, the user who created that (see
 * user_namespaces(7)), unless that was root; of others, the real user.
 *
 * @returns undefined when the process has ended
 */
export function userOf(procRoot: string, pid: number): number | undefined {
  const real = /^Uid:\t(\d+)/m.exec(readText(`${procRoot}/${pid}/status`) ?? '')?.[1];
  return real === undefined ? undefined : creatorOf(`${procRoot}/${pid}/ns/user`) || Number(real);
}

/** Inode number of the user namespace of this process. */
let ownNamespace: number | undefined;

/** The user who created the outermost user namespace below ours that a process is in; 0: root, or it is in ours. */
function creatorOf(path: string): number {
  let creator = 0;
  let fd: number | undefined;
  try {
    ownNamespace ??= statSync('/proc/self/ns/user').ino;
    fd = openSync(path, 'r');
    while (fstatSync(fd).ino !== ownNamespace) {
      creator = namespaceOwner(fd);
      const parent = parentNamespace(fd);
      closeSync(fd);
      fd = parent;
    }
  } catch {
    // ENOENT: the process has ended; EACCES: we lack SYS_PTRACE; EPERM: it is in a user namespace that is not below ours
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
  return creator;
}
