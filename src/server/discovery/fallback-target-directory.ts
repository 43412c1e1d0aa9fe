import {
  TargetDirectory,
  TargetDirectoryError,
  type DirectoryEntry,
  type FindOptions,
} from './target-directory.js';

type Query = (directory: TargetDirectory) => Promise<DirectoryEntry[]>;

/**
 * Asks a first directory, which the user has configured, and a second one when the first cannot be reached. If the
 * second one then finds nothing, or fails as well, the failure of the first is reported.
 */
export class FallbackTargetDirectory extends TargetDirectory {
  constructor(
    private readonly first: TargetDirectory,
    private readonly second: TargetDirectory,
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

  override get problems(): readonly string[] {
    return [...this.first.problems, ...this.second.problems];
  }

  private async ask(query: Query): Promise<DirectoryEntry[]> {
    try {
      return await query(this.first);
    } catch (error) {
      if (!(error instanceof TargetDirectoryError) || error.reason !== 'unreachable') throw error;
      const entries = await this.askSecond(query);
      if (entries.length === 0) throw error;
      return entries;
    }
  }

  /** Finds nothing where the second directory fails. */
  private async askSecond(query: Query): Promise<DirectoryEntry[]> {
    try {
      return await query(this.second);
    } catch (error) {
      if (error instanceof TargetDirectoryError) return [];
      throw error;
    }
  }
}
