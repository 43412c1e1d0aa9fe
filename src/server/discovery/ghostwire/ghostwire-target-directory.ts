import { Injectable } from '@nestjs/common';
import { ListingTargetDirectory } from '../listing-target-directory.js';
import { getFromGhostwire, type GhostwireOptions } from './ghostwire-request.js';
import { parseMobysharkAnswer } from './mobyshark-answer.js';

/**
 * Asks the GhostWire service, which knows the containers, pods, processes and bind mounts of this host. GhostWire
 * finds them anew for each request, so an answer is never kept, only shared by those who ask at the same time.
 */
@Injectable()
export class GhostwireTargetDirectory extends ListingTargetDirectory {
  constructor(options: GhostwireOptions) {
    super(async (signal) => parseMobysharkAnswer(await getFromGhostwire(options, '/mobyshark', signal)));
  }
}
