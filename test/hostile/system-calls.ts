import { readFileSync } from 'node:fs';
import { TemporaryFile } from '../kit/second-opinion.js';

const TRACED = ['socket', 'connect', 'sendto', 'sendmsg', 'sendmmsg', 'execve'];

/** Reaches its own other processes by these; see src/supervisor/runtime-directory.ts. */
const OWN_SOCKET = /^connect\(\d+, \{sa_family=AF_UNIX, sun_path="[^"]*\/packetflix-[^"/]*\/[\w.-]+\.sock"\}/;
/** What captures are made of: the processes among themselves, the list of interfaces, rings. */
const OWN_FAMILIES = /^socket\((AF_UNIX|AF_PACKET|AF_NETLINK, [^,]*, NETLINK_(ROUTE|GENERIC)\b)/;
const OWN_PROGRAMS = /^execve\("[^"]*\/(unshare|setpriv|node)"/;
/** An address as one gives it to say where to: connected sockets need none, and netlink leads to the kernel only. */
const ELSEWHERE = /sa_family=(?!AF_NETLINK|AF_PACKET)/;

/**
 * The system calls by which a process and its descendants could reach others, as strace(1) writes them down. Calls that
 * the kernel refused unseen by a seccomp filter are not in it.
 */
export class SystemCalls implements Disposable {
  private readonly file = new TemporaryFile('strace');

  /** What to put before a command; strace becomes nobody's parent by that. */
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

  /** One line for each call so far, without the process number. */
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

/** Whether a call leads to anything but the service's own processes and the kernel's list of interfaces and rings. */
export function leadsElsewhere(line: string): boolean {
  const [call = ''] = line.split('(', 1);
  switch (call) {
    case 'socket':
      return !OWN_FAMILIES.test(line);
    case 'connect':
      return !OWN_SOCKET.test(line);
    case 'execve':
      return !OWN_PROGRAMS.test(line);
    default:
      return ELSEWHERE.test(line);
  }
}
