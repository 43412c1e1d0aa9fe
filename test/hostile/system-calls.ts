import { readFileSync } from 'node:fs';
import { TemporaryFile } from '../kit/second-opinion.js';

const TRACED = ['socket', 'connect', 'sendto', 'sendmsg', 'sendmmsg', 'execve'];

/** Sockets between the processes of the service; see src/supervisor/runtime-directory.ts. */
const OWN_SOCKET = /^connect\(\d+, \{sa_family=AF_UNIX, sun_path="[^"]*\/packetflix-[^"/]*\/[\w.-]+\.sock"\}/;
/** Sockets between the processes, of the interface list, and of rings. */
const OWN_FAMILIES = /^socket\((AF_UNIX|AF_PACKET|AF_NETLINK, [^,]*, NETLINK_(ROUTE|GENERIC)\b)/;
const OWN_PROGRAMS = /^execve\("[^"]*\/(unshare|setpriv|node)"/;
/** A destination address: connected sockets need none, and netlink sockets reach the kernel only. */
const FOREIGN_ADDRESS = /sa_family=(?!AF_NETLINK|AF_PACKET)/;

/**
 * Records with strace(1) the system calls by which a process and its descendants could reach other programs or hosts.
 * Calls that a seccomp filter forbids are not recorded.
 */
export class SystemCalls implements Disposable {
  private readonly file = new TemporaryFile('strace');

  /** To be put before the command to trace. With -D, strace does not become its parent. */
  get command(): readonly string[] {
    const quiet = ['-qqq', '-e', 'signal=none', '-s', '256'];
    return [
      'strace',
      '-D',
      '-f',
      '--seccomp-bpf',
      ...quiet,
      '-e',
      `trace=${TRACED.join()}`,
      '-o',
      this.file.path,
    ];
  }

  /** The recorded calls, without the process IDs. */
  get lines(): string[] {
    return readFileSync(this.file.path, 'utf8')
      .split('\n')
      .map((line) => line.replace(/^\d+ +/, ''))
      .filter((line) => TRACED.some((call) => line.startsWith(`${call}(`)));
  }

  [Symbol.dispose](): void {
    this.file[Symbol.dispose]();
  }
}

/** Whether a call reaches anything but the processes of the service, the kernel's interface list and rings. */
export function isForeignCall(line: string): boolean {
  const [call = ''] = line.split('(', 1);
  switch (call) {
    case 'socket':
      return !OWN_FAMILIES.test(line);
    case 'connect':
      return !OWN_SOCKET.test(line);
    case 'execve':
      return !OWN_PROGRAMS.test(line);
    default:
      return FOREIGN_ADDRESS.test(line);
  }
}
