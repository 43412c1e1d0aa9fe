import { closeSync, fstatSync, readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import {
  duplicate,
  isTcpConnection,
  openPidfd,
  peerProcess,
  SystemError,
  takeDescriptor,
} from '../shared/linux/libc.js';
import { readProcessStat } from '../shared/linux/proc.js';
import { ProtocolError } from '../shared/protocol/lines.js';
import type { ClientSocket } from '../shared/protocol/protocol.js';
import { descriptorOf } from '../shared/socket-descriptor.js';
import { OutputSocket } from './capture/output-socket.js';

/**
 * The process at the other end of a control connection, the server, to take the sockets of clients from it. The kernel
 * reports which process that is, so a server that lies can only name another one of its own descriptors.
 */
export class PeerProcess {
  private readonly pidfd: number | undefined;

  /** @param acceptedAtMs when the connection was accepted, see performance.now() */
  constructor(connection: Socket, acceptedAtMs: number) {
    const pid = peerProcess(openDescriptorOf(connection));
    const pidfd = orUndefined(() => openPidfd(pid));
    // The process may have ended since it connected, and another one may have got its id.
    if (pidfd === undefined || startedBefore(pid, acceptedAtMs)) this.pidfd = pidfd;
    else closeSync(pidfd);
  }

  /**
   * The socket for a capture: that of the client, or the capture connection where the kernel or a sandbox does not allow
   * that, or when the server named something else than a TCP connection.
   *
   * @param client as the server described it; absent: it has none to offer
   */
  outputFor(connection: Socket, client: ClientSocket | undefined): OutputSocket {
    const fd = client && this.take(client);
    if (client && fd !== undefined) {
      return new OutputSocket(fd, client.framing, true, client.maxMessageBytes);
    }
    return new OutputSocket(duplicate(openDescriptorOf(connection)), 'plain', false);
  }

  close(): void {
    if (this.pidfd !== undefined) closeSync(this.pidfd);
  }

  private take({ descriptor, inode }: ClientSocket): number | undefined {
    const { pidfd } = this;
    if (pidfd === undefined) return undefined;
    const fd = orUndefined(() => takeDescriptor(pidfd, descriptor));
    if (fd === undefined || (fstatSync(fd).ino === inode && isTcpConnection(fd))) return fd;
    closeSync(fd);
    return undefined;
  }
}

/** Of the start time in /proc, see proc_pid_stat(5); USER_HZ is 100 on all supported architectures. */
const TICKS_PER_SECOND = 100;

/** Whether a process is older than an event. @param eventMs see performance.now() */
function startedBefore(pid: number, eventMs: number): boolean {
  try {
    const startTime = readProcessStat('/proc', pid)?.startTime ?? Infinity;
    const [uptime] = readFileSync('/proc/uptime', 'latin1').split(' ', 1);
    const eventUptime = Number(uptime) - (performance.now() - eventMs) / 1_000;
    // A tick of tolerance: both times are rounded down to ticks.
    return startTime / TICKS_PER_SECOND <= eventUptime + 1 / TICKS_PER_SECOND;
  } catch {
    return false; // no free descriptors: it is not known
  }
}

/**
 * The result of a system call that may not be available: ENOSYS of older kernels, EPERM of seccomp profiles and of Yama. It may
 * also come too late: EBADF when the client has gone, ESRCH when the server has ended.
 */
function orUndefined(call: () => number): number | undefined {
  try {
    return call();
  } catch (error) {
    if (error instanceof SystemError) return undefined;
    throw error;
  }
}

/** @throws ProtocolError when the socket is closed: the peer has not waited for the answer */
function openDescriptorOf(socket: Socket): number {
  const fd = descriptorOf(socket);
  if (fd === undefined) throw new ProtocolError('the socket is closed');
  return fd;
}
