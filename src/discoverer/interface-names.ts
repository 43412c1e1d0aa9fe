import { closeSync } from 'node:fs';
import type { NamespaceHolder } from '../shared/linux/namespace-holders.js';
import { inNamespace, openHolder } from '../shared/linux/namespaces.js';
import { listInterfaces } from '../shared/linux/rtnetlink.js';
import { whyNotAnInterfaceName } from '../shared/protocol/capture-spec.js';
import { readText } from '../shared/linux/proc.js';

/**
 * Names of the interfaces of a network namespace that are up; where we may not enter it, of all. Those that an
 * engine would refuse are left out, since one such name makes it refuse all.
 *
 * @param holder by which it was found
 * @returns undefined when it is not there any more
 */
export function interfaceNames(
  procRoot: string,
  netns: number,
  holder: NamespaceHolder,
): readonly string[] | undefined {
  let fd: number | undefined;
  try {
    fd = openHolder(procRoot, holder, netns);
    if (fd === undefined) return undefined;
    return inNamespace(fd, namesOfUp).filter(isCapturable);
  } catch {
    // Without CAP_SYS_ADMIN we may not enter. /proc tells the names, but not which are up.
    return holder.kind === 'process' ? namesFromProc(procRoot, holder.pid).filter(isCapturable) : [];
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

function isCapturable(name: string): boolean {
  return whyNotAnInterfaceName(name) === undefined;
}

function namesOfUp(): string[] {
  const { fd, interfaces } = listInterfaces();
  closeSync(fd);
  return interfaces.filter(({ up }) => up).map(({ name }) => name);
}

/** From /proc/PID/net/dev, see proc_pid_net(5): two lines of headings, then `NAME: ...`. */
function namesFromProc(procRoot: string, pid: number): string[] {
  const lines = readText(`${procRoot}/${pid}/net/dev`, 'utf8')?.split('\n') ?? [];
  return lines.slice(2).flatMap((line) => /^\s*(\S+):/.exec(line)?.[1] ?? []);
}
