import { parseMobysharkAnswer } from '../ghostwire/mobyshark-answer.js';
import { ListingTargetDirectory } from '../listing-target-directory.js';
import { FINDER_NAME, getFindings } from './finder.js';

/**
 * The built-in directory: asks our own discovery process, which looks around anew for each request. An answer is
 * never kept, only shared by those who ask at the same time.
 */
export class LocalTargetDirectory extends ListingTargetDirectory {
  /** @param socketPath of the discovery process */
  constructor(socketPath: string, patienceMs?: number) {
    // Always fresh: others may have asked the discovery process before, too.
    super(async (signal) =>
      parseMobysharkAnswer(await getFindings(socketPath, true, signal, patienceMs), FINDER_NAME),
    );
  }
}
