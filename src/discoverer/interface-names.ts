import { closeSync } from 'node:fs';
import type { NamespaceHolder } from '../shared/linux/namespace-holders.js';
import { inNamespace, openHolder } from '../shared/linux/namespaces.js';
import { readLines } from '../shared/linux/proc.js';
import { listInterfaces } from '../shared/linux/rtnetlink.js';
import { whyNotAnInterfaceName } from '../shared/protocol/capture-spec.js';

/**
 * Lists the interfaces of a network namespace that are up; all of them where we may not enter it. Names that an engine
 * refuses are left out, since a single such name would make it refuse the whole capture.
 *
 * @param holder by which the namespace was found
 * @returns undefined when the holder no longer holds it
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
    // EPERM: without CAP_SYS_ADMIN we may not enter it; EMSGSIZE: the kernel cannot list an interface. /proc has the names,
    // but not which interfaces are up.
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
  const lines = [...readLines(`${procRoot}/${pid}/net/dev`, 'utf8')];
  return lines.slice(2).flatMap((line) => /^\s*(\S+):/.exec(line)?.[1] ?? []);
}
