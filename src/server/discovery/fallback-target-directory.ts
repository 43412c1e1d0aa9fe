import {
  TargetDirectory,
  TargetDirectoryError,
  type DirectoryEntry,
  type FindOptions,
} from './target-directory.js';

type Query = (directory: TargetDirectory) => Promise<DirectoryEntry[]>;

/**
 * Asks a first directory, and a second one when the first fails:
 *
 * - If the user has configured the first directory, the second one is asked only when the first cannot be reached. If
 *   the second one then finds nothing, or fails as well, the failure of the first is reported.
 * - Otherwise the first directory is only assumed to be at its default address, where another program may listen: the
 *   second one is asked after any failure, and its result counts.
 */
export class FallbackTargetDirectory extends TargetDirectory {
  /** @param firstIsConfigured whether the user has configured the first directory */
  constructor(
    private readonly first: TargetDirectory,
    private readonly second: TargetDirectory,
    private readonly firstIsConfigured: boolean,
  ) {
    super();
  }

  override find(
    name: string,
    prefix: string,
    signal?: AbortSignal,
    options?: FindOptions,
  ): Promise<DirectoryEntry[]> {
    return this.ask((directory) => directory.find(name, prefix, signal, options));
  }

  override list(signal?: AbortSignal): Promise<DirectoryEntry[]> {
    return this.ask((directory) => directory.list(signal));
  }

  private async ask(query: Query): Promise<DirectoryEntry[]> {
    try {
      return await query(this.first);
    } catch (error) {
      if (!(error instanceof TargetDirectoryError)) throw error;
      if (this.firstIsConfigured && error.reason !== 'unreachable') throw error;
      return await this.askSecond(query, error);
    }
  }

  private async askSecond(query: Query, failure: TargetDirectoryError): Promise<DirectoryEntry[]> {
    try {
      const entries = await query(this.second);
      if (entries.length === 0 && this.firstIsConfigured) throw failure;
      return entries;
    } catch (error) {
      // Both have failed. Report the one that the user has configured.
      if (error instanceof TargetDirectoryError && this.firstIsConfigured) throw failure;
      throw error;
    }
  }
}
