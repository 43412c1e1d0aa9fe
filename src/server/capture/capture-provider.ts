import type { ClientConnection } from '../http/client-connection.js';
import type { CaptureSpec, SetMember, SetSpec } from '../../shared/protocol/capture-spec.js';
import type { CaptureTotals, EndCode, LeaveCode } from '../../shared/protocol/protocol.js';

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
 * A stream that the provider writes into the connection of the client by itself.
 *
 * @publicApi
 */
export interface DirectStream {
  /** Bytes of pcapng so far. */
  readonly streamBytes: number;
  /** Number of interfaces that the stream describes; final once the capture has ended. */
  readonly interfaces: number;
  /** Packets delivered, and packets that the kernel dropped because a ring was full; absent: not known yet. */
  readonly packets?: number;
  readonly dropped?: number;
}

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
  /** Present when the provider uses the connection that it was offered: then `chunks` must not be read. */
  readonly direct?: DirectStream | undefined;
  /**
   * Called once, when the connection of the client is ready for the stream: the head of an HTTP response has been sent. With
   * `direct`, a provider writes nothing to a connection whose framing is `plain` before that.
   */
  clientReady?(): void;
  /** Why it ended; settles after the last chunk, never rejects. */
  readonly end: Promise<CaptureEnd>;
  /** Asks for the end: what was captured so far and the statistics are still delivered, then the stream ends. */
  stop(): void;
}

/**
 * A running capture of a set of targets, all in one stream. It runs without members, too.
 *
 * @publicApi
 */
export interface SetCapture extends Capture {
  /** Begins to capture from members, whose ids are new. The observer gets the outcome for each. */
  attach(members: readonly SetMember[]): void;
  /** Captures no longer from a member. @param reason completes the sentence "left, ..." */
  detach(memberId: number, reason: string): void;
  /** Writes a comment for the user into the stream. */
  comment(text: string): void;
}

/**
 * What happens to the members of a set.
 *
 * @publicApi
 */
export interface SetObserver {
  /** The member is captured from. */
  onAttached(memberId: number): void;
  /** The member could not be captured from, or its namespace has ended. */
  onLeft(memberId: number, code: LeaveCode, message: string): void;
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
   * @param client connection of the client, for providers that can write to it without this process; others ignore it
   * @throws CaptureError `stale-reference` when the namespace is not what the reference says, and the other codes of
   *   shared/protocol/capture-error.ts; nothing else
   */
  abstract open(spec: CaptureSpec, signal: AbortSignal, client?: ClientConnection): Promise<Capture>;

  /**
   * Begins to capture from a set of targets. It has no members yet, unless the spec has a reference: then it begins as `open` does,
   * with that namespace as member 0. A provider without this method captures no sets.
   *
   * @param signal as for `open`
   * @param client as for `open`
   * @throws CaptureError as for `open`
   */
  openSet?(
    spec: SetSpec,
    observer: SetObserver,
    signal: AbortSignal,
    client?: ClientConnection,
  ): Promise<SetCapture>;

  /**
   * Says what is wrong with a capture filter, before a capture with it is requested. A provider without this method cannot
   * tell.
   *
   * @param client on whose behalf, for fairness between clients
   * @returns undefined when the filter is valid, at least for Ethernet
   * @throws CaptureError when it cannot be found out now
   */
  checkFilter?(filter: string, client: string, signal: AbortSignal): Promise<string | undefined>;
}
