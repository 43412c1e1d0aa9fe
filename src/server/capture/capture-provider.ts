import type { CaptureSpec } from '../../shared/protocol/capture-spec.js';
import type { CaptureTotals, EndCode } from '../../shared/protocol/protocol.js';

/**
 * Why a capture ended. `code` is stable, `message` is for people.
 *
 * @publicApi
 */
export interface CaptureEnd {
  readonly code: EndCode;
  readonly message: string;
  readonly totals?: CaptureTotals;
}

/**
 * Number of bytes before a chunk that a {@link TakePiece} may overwrite: the length of the longest message header.
 *
 * @publicApi
 */
export const HEADER_ROOM_BYTES = 10;

/**
 * Takes a chunk of a stream: the bytes of `memory` from `start` to `end`. It may overwrite the
 * {@link HEADER_ROOM_BYTES} before `start` with a header, so that header and chunk are sent by one write. Never throws.
 *
 * @returns whether it wants more chunks; a promise, which never rejects, if it still uses the memory until then
 * @publicApi
 */
export type TakePiece = (memory: Buffer, start: number, end: number) => boolean | Promise<boolean>;

/**
 * A running capture.
 *
 * @publicApi
 */
export interface Capture {
  /**
   * The pcapng stream, in chunks whose boundaries mean nothing. A chunk belongs to the reader only until it requests
   * the next one: then the provider may reuse its memory. Nothing is produced ahead of the reader, except in
   * bounded buffers of the provider. Leaving the loop early ends the capture. May be iterated once.
   */
  readonly chunks: AsyncIterable<Uint8Array>;
  /**
   * Optional, for providers of many chunks: passes the chunks of `chunks` to `take` as they arrive, without a promise
   * per chunk, and waits while a chunk is in use. Only one of `chunks` and `deliver` is used, and once. Settles after
   * the last chunk, or when `take` wants no more, which ends the capture.
   */
  deliver?(take: TakePiece): Promise<void>;
  /** Why it ended; settles after the last chunk, never rejects. */
  readonly end: Promise<CaptureEnd>;
  /** Asks for the end: what was captured so far and the statistics are still delivered, then the stream ends. */
  stop(): void;
}

/**
 * Port: something that captures. Replace it with `CaptureModule.forRoot({ captureProvider })`, and test yours with
 * `test/contracts/capture-provider.contract.ts`.
 *
 * @publicApi
 */
export abstract class CaptureProvider {
  /**
   * Opens the namespace, verifies the reference on the opened namespace, and begins to capture.
   *
   * @param signal aborted when the capture is no longer wanted, for example because the client has disconnected
   * @throws CaptureError `stale-reference` when the namespace is not what the reference says, and the other codes of
   *   shared/protocol/capture-error.ts; nothing else
   */
  abstract open(spec: CaptureSpec, signal: AbortSignal): Promise<Capture>;
}
