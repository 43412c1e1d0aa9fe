import { Injectable } from '@nestjs/common';
import { isNamed, TargetDirectory, type DirectoryEntry, type FindOptions } from '../target-directory.js';
import { getFromGhostwire, type GhostwireOptions } from './ghostwire-request.js';
import { parseMobysharkAnswer } from './mobyshark-answer.js';
import { SharedRequest } from '../shared-request.js';

/**
 * Asks the GhostWire service, which knows the containers, pods, processes and bind mounts of this host. GhostWire
 * finds them anew for each request, so an answer is never kept, only shared by those who ask at the same time.
 */
@Injectable()
export class GhostwireTargetDirectory extends TargetDirectory {
  readonly #mobyshark: SharedRequest<DirectoryEntry[]>;

  constructor(options: GhostwireOptions) {
    super();
    this.#mobyshark = new SharedRequest(async (signal) =>
      parseMobysharkAnswer(await getFromGhostwire(options, '/mobyshark', signal)),
    );
  }

  override async find(
    name: string,
    prefix: string,
    signal?: AbortSignal,
    options?: FindOptions,
  ): Promise<DirectoryEntry[]> {
    const entries = await this.#mobyshark.ask(options?.fresh, signal);
    return entries.filter((entry) => isNamed(entry, name, prefix));
  }

  override async list(signal?: AbortSignal): Promise<DirectoryEntry[]> {
    // A copy: the answer may be shared with others.
    return [...(await this.#mobyshark.ask(false, signal))];
  }
}
