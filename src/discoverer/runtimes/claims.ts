/** Who may say what: a process in a container, or of a user, may pretend to be a container runtime. */
import { geteuid } from 'node:process';
import { readProcessStat } from '../../shared/linux/proc.js';
import { userOf } from '../../shared/linux/process-user.js';
import { oldest, type ProcessFacts } from '../process-table.js';
import type { ContainerMembership, ContainerPath } from './cgroup.js';

/** Who claims that there is a container. */
export interface Claimant {
  /** The containers that it is in; empty: it is on the host. */
  readonly path: ContainerPath;
  /** A user of the host; absent: root, or the user that we run as. */
  readonly user?: number;
}

export const HOST: Claimant = { path: '' };

/** What is read of the claims of one source. */
export interface ClaimLimits {
  readonly bodyBytes: number;
  readonly nameBytes: number;
  readonly containers: number;
}

/** Docker lists 10,000 containers with long labels in 20 MB. */
const OF_HOST: ClaimLimits = { bodyBytes: 64 * 1024 * 1024, nameBytes: 4096, containers: 100_000 };
const OF_OTHERS: ClaimLimits = { bodyBytes: 2 * 1024 * 1024, nameBytes: 256, containers: 1000 };

/** Whether the claims of a claimant are believed, whatever process they are about. */
export function isTrusted({ path, user }: Claimant): boolean {
  return path === '' && user === undefined;
}

export function limitsOf(claimant: Claimant): ClaimLimits {
  return isTrusted(claimant) ? OF_HOST : OF_OTHERS;
}

/** The path of a claimant's containers is this and their ids. */
export function pathBefore({ path, user }: Claimant): ContainerPath {
  return user === undefined ? path : `/${userName(user)}`;
}

/**
 * The source that a claimant counts as: it may have any number of processes, sockets and containers of its own. Empty: it is
 * trusted.
 */
export function sourceOf(claimant: Claimant): string {
  return pathBefore(claimant).split('/', 2).at(1) ?? '';
}

/** As which the containers of a user are distinguished from those of root. No runtime allows this character in a name. */
export function userName(user: number): string {
  return `user@${user}`;
}

/** Only root and our own user are trusted; @returns the first user who is not */
export function untrustedAmong(...users: readonly (number | undefined)[]): Pick<Claimant, 'user'> {
  const user = users.find((each) => each !== undefined && each !== 0 && each !== geteuid?.());
  return user === undefined ? {} : { user };
}

/** Of a process that has ended, so that nothing is known about it. */
const NO_USER = -1;

/** Decides about the claims of one scan. */
export class Claims {
  private readonly users = new Map<number, number>();

  constructor(
    private readonly procRoot: string,
    private readonly membership: ContainerMembership,
  ) {}

  /** A process as a claimant. */
  claimant(process: ProcessFacts): Claimant {
    const path = this.membership.pathOf(process);
    return { path, ...(path === '' && untrustedAmong(this.userOf(process))) };
  }

  /** Whether a process is in the claimant's own container, or of that user. */
  mayClaim(claimant: Claimant, process: ProcessFacts): boolean {
    if (isTrusted(claimant)) return true;
    const path = this.membership.pathOf(process);
    if (claimant.path !== '') return `${path}/`.startsWith(`${claimant.path}/`);
    if (claimant.user === NO_USER || this.userOf(process) !== claimant.user) return false;
    // A process of that user in a container of root is the container's.
    return path === '' || path.startsWith(`${pathBefore(claimant)}/`);
  }

  /**
   * The process that a container was started with, according to control groups: processes that were added later are younger.
   *
   * @param id the runtime's id of the container
   */
  rootProcess(claimant: Claimant, id: string): ProcessFacts | undefined {
    const members = this.membership.membersOf(`${pathBefore(claimant)}/${id}`);
    return oldest(members.filter((each) => this.mayClaim(claimant, each)));
  }

  private userOf({ pid, startTime }: ProcessFacts): number {
    const known = this.users.get(pid);
    if (known !== undefined) return known;
    const user = userOf(this.procRoot, pid);
    // Compared afterwards: another process may have got the id in the meantime.
    const isSame = readProcessStat(this.procRoot, pid)?.startTime === startTime;
    const found = isSame && user !== undefined ? user : NO_USER;
    this.users.set(pid, found);
    return found;
  }
}
