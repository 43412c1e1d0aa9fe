import {
  TargetDirectory,
  TargetDirectoryError,
  type DirectoryEntry,
  type FindOptions,
} from './target-directory.js';

/**
 * Asks one directory, and another one when the first cannot be reached. Where the user has not said that there is a
 * first one, any failure of what happens to be at its default address is as good as nobody being there; where he
 * has, that it failed is told unless the second one finds what is looked for.
 */
export class FallbackTargetDirectory extends TargetDirectory {
  /** @param firstIsConfigured whether the user has said that there is the first one */
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

  private async ask(
    question: (directory: TargetDirectory) => Promise<DirectoryEntry[]>,
  ): Promise<DirectoryEntry[]> {
    try {
      return await question(this.first);
    } catch (error) {
      if (!(error instanceof TargetDirectoryError)) throw error;
      if (this.firstIsConfigured && error.reason !== 'unreachable') throw error;
      return await this.askSecond(question, error);
    }
  }

  private async askSecond(
    question: (directory: TargetDirectory) => Promise<DirectoryEntry[]>,
    failure: TargetDirectoryError,
  ): Promise<DirectoryEntry[]> {
    try {
      const entries = await question(this.second);
      if (entries.length === 0 && this.firstIsConfigured) throw failure;
      return entries;
    } catch (error) {
      // Nobody has answered: the user wants to hear of the one that he knows of.
      if (error instanceof TargetDirectoryError && this.firstIsConfigured) throw failure;
      throw error;
    }
  }
}
