import { closeSync } from 'node:fs';
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { peerProcess } from '../../shared/linux/libc.js';
import { listDescriptors, readLines, readLink } from '../../shared/linux/proc.js';
import { descriptorOf } from '../../shared/socket-descriptor.js';
import type { ProcessFacts, ProcessTable } from '../process-table.js';
import { isTrusted, sourceOf, untrustedAmong, type Claimant, type Claims } from './claims.js';
import { listForeignFolder, openForeign } from './foreign-files.js';
import { isRuntime, type RuntimeRoot } from './roots.js';

/** A unix socket at which Docker or Podman serves its HTTP API. */
export interface RuntimeSocket {
  /** An open descriptor of it, by which we connect; the caller closes it. */
  readonly fd: number;
  /** Device and inode number, because several paths may lead to the same socket. */
  readonly key: string;
  /** Its path in the file system of the runtime. */
  readonly label: string;
  /** Who listens there. */
  readonly claimant: Claimant;
  /**
   * Whether it was found by what /proc/net/unix tells, and counts as one of root: then the process that listens there must be
   * verified, see `listenerAt`. A socket of a container with the host's network may be named in a forged line of that file.
   */
  readonly isForgeable: boolean;
}

/** Where a socket may be. */
interface Candidate {
  readonly label: string;
  /** The user who listens there; absent: unknown, or root. */
  readonly user?: number;
  /** Whether a user can replace what is there. */
  readonly isOfUser?: boolean;
  /** From /proc/net/unix. */
  readonly isForgeable?: boolean;
}

/** The default paths of Docker and Podman, of the system and of users (rootless). */
const SYSTEM_SOCKETS = ['/run/docker.sock', '/run/podman/podman.sock', '/var/run/docker.sock'];
const USERS = '/run/user';
const USER_SOCKETS = ['docker.sock', 'podman/podman.sock'];
/** Runtimes have sockets for other purposes, too. */
const API_SOCKET_NAME = /(?:^|[/.-])(?:docker|podman)\.sock$/;
/** SO_ACCEPTCON among the flags of /proc/net/unix. */
const LISTENING = '00010000';

/** A user has a folder of /run/user as long as it has a session. */
const MAX_USERS = 1024;
/** Of one container or user. */
const MAX_SOCKETS_PER_SOURCE = 8;
const MAX_RUNTIMES_PER_SOURCE = 8;
/** Runtimes begin to listen early, so these sockets are among their first descriptors. */
const MAX_DESCRIPTORS = 4096;

/** Finds the API sockets of Docker and Podman below some roots, each once. */
export function findRuntimeSockets(
  procRoot: string,
  roots: readonly RuntimeRoot[],
  table: ProcessTable,
  claims: Claims,
): RuntimeSocket[] {
  const found = new Map<string, RuntimeSocket>();
  const countBySource = new Map<string, number>();
  const listening = new ListeningSockets(procRoot, table, claims);
  // All before the first is opened: this throws without free descriptors.
  const places = roots.flatMap((root) => {
    const system = SYSTEM_SOCKETS.map((label): Candidate => ({ label }));
    const rootOfUsers = { ...root, followsLinks: false };
    const candidates = [...system, ...userSockets(root), ...listening.of(root)];
    return candidates.map((candidate) => ({ candidate, root: candidate.isOfUser ? rootOfUsers : root }));
  });
  for (const { candidate, root } of places) {
    const socket = openSocket(root, candidate);
    if (!socket) continue;
    const source = sourceOf(socket.claimant);
    const count = countBySource.get(source) ?? 0;
    if (found.has(socket.key) || (source !== '' && count >= MAX_SOCKETS_PER_SOURCE)) {
      closeSync(socket.fd);
      continue;
    }
    countBySource.set(source, count + 1);
    found.set(socket.key, socket);
  }
  return [...found.values()];
}

function userSockets(root: RuntimeRoot): Candidate[] {
  if (!root.followsLinks) return [];
  return listForeignFolder(root, USERS, MAX_USERS).flatMap((user) =>
    USER_SOCKETS.map((name) => ({
      label: join(USERS, user, name),
      ...(Number(user) > 0 && { user: Number(user) }),
      isOfUser: true,
    })),
  );
}

/** Runtimes can be configured to listen at other paths: the kernel lists those that they do listen at. */
class ListeningSockets {
  private readonly byNamespace = new Map<number, ReadonlyMap<string, string>>();
  private readonly countBySource = new Map<string, number>();

  constructor(
    private readonly procRoot: string,
    private readonly table: ProcessTable,
    private readonly claims: Claims,
  ) {}

  of({ mountNamespace }: RuntimeRoot): Candidate[] {
    return [...this.table.values()]
      .filter((each) => isRuntime(each) && each.mountNamespace === mountNamespace)
      .flatMap((runtime) => {
        const claimant = this.claims.claimant(runtime);
        const source = sourceOf(claimant);
        const count = this.countBySource.get(source) ?? 0;
        if (source !== '' && count >= MAX_RUNTIMES_PER_SOURCE) return [];
        this.countBySource.set(source, count + 1);
        const isOfUser = !isTrusted(claimant);
        const { user } = claimant;
        return this.pathsOf(runtime).map((label) => ({
          label,
          isOfUser,
          isForgeable: true,
          ...(user !== undefined && { user }),
        }));
      });
  }

  private pathsOf({ pid, netns }: ProcessFacts): string[] {
    const paths = this.byNamespace.get(netns) ?? apiSockets(`${this.procRoot}/${pid}/net/unix`);
    this.byNamespace.set(netns, paths);
    if (paths.size === 0) return [];
    const found: string[] = [];
    let count = 0;
    for (const fd of listDescriptors(this.procRoot, pid)) {
      if (++count > MAX_DESCRIPTORS) break;
      const link = readLink(`${this.procRoot}/${pid}/fd/${fd}`) ?? '';
      const path = paths.get(/^socket:\[(\d+)\]$/.exec(link)?.[1] ?? '');
      if (path !== undefined) found.push(path);
    }
    return found;
  }
}

/** The paths of API sockets by inode number. */
function apiSockets(file: string): ReadonlyMap<string, string> {
  const paths = new Map<string, string>();
  for (const { inode, path } of parseUnixSockets(readLines(file, 'utf8'))) {
    if (API_SOCKET_NAME.test(path)) paths.set(inode, path);
  }
  return paths;
}

/**
 * Lists the sockets that listen at a path. A path may contain a newline, so that anybody can forge a line.
 *
 * @param lines of /proc/PID/net/unix, see unix(7) and proc_pid_net(5)
 */
export function* parseUnixSockets(lines: Iterable<string>): Generator<{ inode: string; path: string }> {
  for (const line of lines) {
    const [, , , flags, , , inode, ...path] = line.split(/ +/);
    // An abstract name begins with @.
    if (flags === LISTENING && inode && path[0]?.startsWith('/')) yield { inode, path: path.join(' ') };
  }
}

function openSocket(
  root: RuntimeRoot,
  { label, user, isForgeable = false }: Candidate,
): RuntimeSocket | undefined {
  const open = openForeign(root, label);
  if (!open) return undefined;
  const { fd, stats } = open;
  if (!stats.isSocket()) {
    closeSync(fd);
    return undefined;
  }
  // The owner of the socket file made the socket; the listener that /proc/net/unix names may be forged.
  const claimant = isTrusted(root.claimant)
    ? { path: '', ...untrustedAmong(user, stats.uid) }
    : root.claimant;
  const key = `${stats.dev}:${stats.ino}`;
  return { fd, key, label, claimant, isForgeable: isForgeable && isTrusted(claimant) };
}

/** The process that listens at a unix socket, as the kernel recorded it. @throws Error when nothing listens there any more */
export async function listenerAt(path: string, signal: AbortSignal): Promise<number> {
  const socket = connect({ path, signal });
  try {
    await once(socket, 'connect');
    return peerProcess(descriptorOf(socket) ?? -1);
  } finally {
    socket.on('error', () => undefined).destroy();
  }
}
