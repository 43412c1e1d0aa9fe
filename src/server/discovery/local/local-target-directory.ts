import { parseMobysharkAnswer } from '../ghostwire/mobyshark-answer.js';
import { ListingTargetDirectory } from '../listing-target-directory.js';
import { DISCOVERER_NAME, getFindings } from './discoverer-request.js';

/**
 * The built-in directory: asks our own discoverer, which looks around anew for each request. An answer is
 * never kept, only shared by those who ask at the same time.
 */
export class LocalTargetDirectory extends ListingTargetDirectory {
  /** @param socketPath of the discoverer */
  constructor(socketPath: string, patienceMs?: number) {
    // Always fresh: others may have asked the discoverer before, too.
    super(async (signal) =>
      parseMobysharkAnswer(await getFindings(socketPath, true, signal, patienceMs), DISCOVERER_NAME),
    );
  }
}
