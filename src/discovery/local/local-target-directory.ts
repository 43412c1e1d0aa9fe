import { parseMobysharkAnswer } from '../ghostwire/mobyshark-answer.js';
import { SharedRequest } from '../shared-request.js';
import { isNamed, TargetDirectory, type DirectoryEntry, type FindOptions } from '../target-directory.js';
import { FINDER_NAME, getFindings } from './finder.js';

/**
 * The built-in directory: asks our own discovery process, which looks around anew for each request. An answer is
 * never kept, only shared by those who ask at the same time.
 */
export class LocalTargetDirectory extends TargetDirectory {
  private readonly entries: SharedRequest<DirectoryEntry[]>;

  /** @param socketPath of the discovery process */
  constructor(socketPath: string, patienceMs?: number) {
    super();
    // Always fresh: others may have asked the discovery process before, too.
    this.entries = new SharedRequest(async (signal) =>
      parseMobysharkAnswer(await getFindings(socketPath, true, signal, patienceMs), FINDER_NAME),
    );
  }

  override async find(
    name: string,
    prefix: string,
    signal?: AbortSignal,
    options?: FindOptions,
  ): Promise<DirectoryEntry[]> {
    const entries = await this.entries.ask(options?.fresh, signal);
    return entries.filter((entry) => isNamed(entry, name, prefix));
  }

  override async list(signal?: AbortSignal): Promise<DirectoryEntry[]> {
    // A copy: the answer may be shared with others.
    return [...(await this.entries.ask(false, signal))];
  }
}
