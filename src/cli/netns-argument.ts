import { statSync } from 'node:fs';
import { resolve } from 'node:path';

/**
 * Semaphore what a person types into the inode number of a network namespace: the number itself, `pid:1234`, or a
 * path to the namespace. Throws an `Error` with a readable message.
 */
export function findNetnsInode(text: string, folder: string): number {
  if (/^\d+$/.test(text)) return checkedInode(Number(text));
  const pid = /^pid:(\d+)$/.exec(text)?.[1];
  return checkedInode(inodeOf(pid === undefined ? resolve(folder, text) : `/proc/${pid}/ns/net`));
}

function checkedInode(inode: number): number {
  if (inode > 0 && Number.isSafeInteger(inode)) return inode;
  throw new Error('not an inode number.');
}

function inodeOf(path: string): number {
  try {
    const { ino, dev } = statSync(path);
    // All namespaces are files of one file system; the number of any other file would mean nothing to the service.
    if (dev === statSync('/proc/self/ns/net').dev) return ino;
  } catch (error) {
    throw new Error(`no such namespace: ${(error as Error).message}`, { cause: error });
  }
  throw new Error(`${path} is not a namespace.`);
}
