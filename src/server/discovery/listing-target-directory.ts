import { SingleFlight } from '../../shared/single-flight.js';
import { isNamed, TargetDirectory, type DirectoryEntry, type FindOptions } from './target-directory.js';

/** A directory whose source can only list all entries: `find` selects from that list. */
export class ListingTargetDirectory extends TargetDirectory {
  readonly #entries: SingleFlight<DirectoryEntry[]>;

  /** @param listAll requests the list; concurrent calls share its answer, which is never cached */
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
    // Copied, since other callers may have the same array.
    return [...(await this.#entries.ask(false, signal))];
  }
}
