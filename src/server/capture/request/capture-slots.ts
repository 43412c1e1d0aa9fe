import { Injectable } from '@nestjs/common';
import { CaptureConfig } from '../../config/capture.config.js';
import { CaptureError } from '../../../shared/protocol/capture-error.js';
import { clientNetwork } from './client-network.js';

/** The right to one capture; whoever has it gives it back, once or more often. */
export interface CaptureSlot {
  release(): void;
}

/**
 * Counts captures, those that are being opened included: in all and by client. Engines come and go, and each knows its
 * own captures only, so the server is where the limit holds exactly.
 */
@Injectable()
export class CaptureSlots {
  private taken = 0;
  private readonly takenBy = new Map<string, number>();

  constructor(private readonly config: CaptureConfig) {}

  /**
   * @param address of the client's side of the connection
   * @throws CaptureError `too-many-captures`, which names the limit
   */
  take(address: string): CaptureSlot {
    const { maxCaptures, maxCapturesPerClient = Infinity } = this.config;
    const client = clientNetwork(address);
    const already = this.takenBy.get(client) ?? 0;
    // The narrower limit first: it is the one that this client can do something about.
    if (already >= maxCapturesPerClient) throw tooMany(`of ${client}`, already, '--max-captures-per-client');
    if (this.taken >= maxCaptures) throw tooMany('in all', this.taken, '--max-captures');
    this.taken++;
    this.takenBy.set(client, already + 1);
    let released = false;
    return {
      release: () => {
        if (released) return;
        released = true;
        this.giveBack(client);
      },
    };
  }

  private giveBack(client: string): void {
    this.taken--;
    const left = (this.takenBy.get(client) ?? 0) - 1;
    if (left > 0) this.takenBy.set(client, left);
    else this.takenBy.delete(client);
  }
}

function tooMany(whose: string, count: number, option: string): CaptureError {
  const captures = count === 1 ? 'is 1 capture' : `are ${count} captures`;
  return new CaptureError(
    'too-many-captures',
    `there ${captures} ${whose} already: ${option} of the service`,
  );
}
