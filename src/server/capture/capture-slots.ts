import { Injectable } from '@nestjs/common';
import { CaptureConfig } from '../config/capture.config.js';
import { CaptureError } from '../../shared/protocol/capture-error.js';
import { clientNetwork } from '../../shared/client-network.js';

/** The right to run one capture. */
export interface CaptureSlot {
  /** Returns the slot; further calls have no effect. */
  release(): void;
}

/**
 * Counts captures, including those that are being opened, in total and by client. An engine may restart and knows only
 * its own captures, so the limits are enforced in the server.
 */
@Injectable()
export class CaptureSlots {
  private taken = 0;
  private readonly takenBy = new Map<string, number>();

  constructor(private readonly config: CaptureConfig) {}

  /**
   * @param address of the client's end of the connection
   * @throws CaptureError `too-many-captures`, whose message names the limit
   */
  take(address: string): CaptureSlot {
    const { maxCaptures, maxCapturesPerClient = Infinity } = this.config;
    const client = clientNetwork(address);
    const already = this.takenBy.get(client) ?? 0;
    // The narrower limit is checked first, because the client itself can do something about it.
    if (already >= maxCapturesPerClient) throw tooMany(` of ${client}`, already, '--max-captures-per-client');
    if (this.taken >= maxCaptures) throw tooMany('', this.taken, '--max-captures');
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

function tooMany(ofWhom: string, count: number, option: string): CaptureError {
  const captures = count === 1 ? 'capture' : 'captures';
  return new CaptureError(
    'too-many-captures',
    `the limit of ${count} ${captures}${ofWhom} is reached: ${option} of the service`,
  );
}
