import type { CaptureTotals } from '../../shared/protocol/protocol.js';
import type { CaptureSpec } from '../../shared/protocol/capture-spec.js';

/**
 * Why a capture is over. `code` is stable, `message` is for people.
 *
 * @publicApi
 */
export interface CaptureEnd {
  readonly code: 'stopped' | 'target-ended' | 'limit-reached' | 'internal';
  readonly message: string;
  readonly totals?: CaptureTotals;
}

/**
 * What a {@link TakePiece} may overwrite before a piece, in bytes: the longest header of a message.
 *
 * @publicApi
 */
export const HEADER_ROOM_BYTES = 10;

/**
 * Takes a piece of a stream: the bytes of `memory` from `start` to `end`. The {@link HEADER_ROOM_BYTES} before `start`
 * belong to the taker as well, for a header, so that header and piece go out in one write. Never throws.
 *
 * @returns whether it wants more; a promise of that, which never rejects, as long as it still needs the memory
 * @publicApi
 */
export type TakePiece = (memory: Buffer, start: number, end: number) => boolean | Promise<boolean>;

/**
 * A capture that runs.
 *
 * @publicApi
 */
export interface Capture {
  /**
   * The pcapng stream, in pieces whose boundaries mean nothing. A piece is the reader's only until it asks for
   * the next one: the provider may use its memory again. Nothing is produced ahead of the reader beyond
   * the provider's own bounded buffers. Leaving the loop early ends the capture. May be iterated once.
   */
  readonly chunks: AsyncIterable<Uint8Array>;
  /**
   * Optional, for providers of many pieces: hands over what `chunks` would give, as it comes, without a promise for each
   * piece. Waits while a piece is still needed. Either is used, and once. Settles after the last piece, or when
   * `take` wants no more, which ends the capture.
   */
  deliver?(take: TakePiece): Promise<void>;
  /** Why it ended; settles after the last chunk, never rejects. */
  readonly end: Promise<CaptureEnd>;
  /** Ask for the end: what was captured so far and the statistics still come, then the stream is done. */
  stop(): void;
}

/**
 * Port: something that can capture. Swap it with `CaptureModule.register({ captureProvider })`; run
 * `test/contracts/capture-provider.contract.ts` on your own.
 *
 * @publicApi
 */
export abstract class CaptureProvider {
  /**
   * Opens the namespace, verifies the reference on what was opened, and begins to capture, in one step.
   *
   * @param signal aborted when nobody wants the capture any more, for example when the client has gone
   * @throws CaptureError `stale-reference` when the namespace is not what the reference says, and the
   *   others of capture-errors.ts; nothing else
   */
  abstract open(spec: CaptureSpec, signal: AbortSignal): Promise<Capture>;
}
