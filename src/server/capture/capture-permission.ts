import { Injectable, Optional } from '@nestjs/common';
import { CaptureError } from '../../shared/protocol/capture-error.js';
import type { AuthenticatedUser } from '../access/authenticated-user.js';
import { CaptureAccess, textOf, UnrestrictedAccess, type CaptureRight } from '../access/capture-access.js';
import { rightsIn } from '../discovery/capture-rights.js';
import { namespaceKey, TargetDirectory, type DirectoryEntry } from '../discovery/target-directory.js';
import { asCaptureError } from './as-capture-error.js';
import type { ResolvedTarget } from './resolve/netns-resolver.js';

/** A target that may be captured from, by the process that was found in it, and the rights that this took. */
export interface PermittedTarget<Target extends ResolvedTarget> {
  readonly target: Target;
  readonly rights: readonly CaptureRight[];
}

/** Says whether somebody may capture from one target. */
@Injectable()
export class CapturePermission {
  constructor(
    private readonly directory: TargetDirectory,
    @Optional() private readonly access: CaptureAccess = new UnrestrictedAccess(),
  ) {}

  /**
   * What is in the namespace decides, not what the client calls it. A client without the right to capture from nodes gets a namespace
   * only while a process of the list is in it: the number of the namespace may have been reused since.
   *
   * @throws CaptureError `forbidden`; `stale-reference` if the list does not have the process; `discovery-failed`
   */
  async check<Target extends ResolvedTarget>(
    target: Target,
    user: AuthenticatedUser | undefined,
    signal: AbortSignal,
  ): Promise<PermittedTarget<Target>> {
    if (!this.access.isRestricted) return { target, rights: [] };
    try {
      const entries = await this.directory.list(signal);
      const rights = rightsIn(entries)(target);
      const needsNodes = rights.some(({ kind }) => kind === 'nodes');
      const verified = needsNodes ? target : withProcess(target, entries);
      const refused = await this.firstRefused(rights, user);
      if (refused) throw forbidden(user, refused);
      return { target: verified, rights };
    } catch (error) {
      throw asCaptureError(error);
    }
  }

  /**
   * A set without a target yet may wait for one, but a set of which the user may capture nothing would wait without a word.
   *
   * @param members targets that belong to the set
   * @param entries all targets
   * @throws CaptureError `forbidden`; `discovery-failed`
   */
  async checkSome(
    members: readonly DirectoryEntry[],
    entries: readonly DirectoryEntry[],
    user: AuthenticatedUser | undefined,
  ): Promise<void> {
    if (!this.access.isRestricted || members.length === 0) return;
    const rightsOf = rightsIn(entries);
    let refused: CaptureRight | undefined;
    try {
      for (const member of members) {
        refused = await this.firstRefused(rightsOf(member), user);
        if (!refused) return;
      }
    } catch (error) {
      throw asCaptureError(error);
    }
    throw forbidden(user, refused);
  }

  private async firstRefused(
    rights: readonly CaptureRight[],
    user: AuthenticatedUser | undefined,
  ): Promise<CaptureRight | undefined> {
    for (const right of rights) if (!(await this.access.allows(user, right))) return right;
    return undefined;
  }
}

export function forbidden(user: AuthenticatedUser | undefined, right?: CaptureRight): CaptureError {
  const what = right ? `create ${textOf(right)}` : 'capture from this target any more';
  return new CaptureError('forbidden', `${user?.name ?? 'an unknown user'} may not ${what}`);
}

/** @throws CaptureError `stale-reference` */
function withProcess<Target extends ResolvedTarget>(
  target: Target,
  entries: readonly DirectoryEntry[],
): Target {
  const inside = entries.filter((entry) => namespaceKey(entry) === namespaceKey(target) && entry.pid > 0);
  const { pid, startTime } = target;
  const listed = inside.find(
    (entry) =>
      (pid === undefined || entry.pid === pid) && (startTime === undefined || entry.startTime === startTime),
  );
  if (!listed) {
    throw new CaptureError(
      'stale-reference',
      `the targets have no process ${pid ?? ''} in namespace ${target.netns}`,
    );
  }
  return { ...target, pid: listed.pid, ...(listed.startTime > 0 && { startTime: listed.startTime }) };
}
