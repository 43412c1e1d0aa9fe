import { SingleFlight } from '../../shared/single-flight.js';
import { isNamed, TargetDirectory, type DirectoryEntry, type FindOptions } from './target-directory.js';

/** A directory whose source gives all entries or none: a look-up picks its own from the list. */
export class ListingTargetDirectory extends TargetDirectory {
  readonly #entries: SingleFlight<DirectoryEntry[]>;

  /** @param listAll asks the source anew; its answer is shared by those who ask at the same time, and never kept */
  constructor(listAll: (signal: AbortSignal) => Promise<DirectoryEntry[]>) {
    super();
    this.#entries = new SingleFlight(listAll);
  }

  override async find(
    name: string,
    prefix: string,
    signal?: AbortSignal,
    options?: FindOptions,
  ): Promise<DirectoryEntry[]> {
    const entries = await this.#entries.ask(options?.fresh, signal);
    return entries.filter((entry) => isNamed(entry, name, prefix));
  }

  override async list(signal?: AbortSignal): Promise<DirectoryEntry[]> {
    // A copy: the answer may be shared with others.
    return [...(await this.#entries.ask(false, signal))];
  }
}
