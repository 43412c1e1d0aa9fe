import type { CaptureErrorCode } from './capture-error.js';
import type { CaptureSpec } from './capture-spec.js';

/**
 * What the server and an engine say to each other, over the engine's unix socket. This is the only file that
 * both sides of the privilege border import, beside lines.ts.
 *
 * The first line on a connection says what the connection is for (see `Greeting`). A *control* connection then
 * carries messages as JSON, one per line, in both directions. A *data* connection belongs to one capture: it
 * carries raw pcapng from the engine to the server and nothing else. Closing it ends the capture.
 */

/** Bumped whenever a message changes its meaning; server and engine come from the same build. */
export const PROTOCOL_VERSION = 2;

/** No line of this protocol may be longer than this, in bytes: 1,000 interface names are 61 kB. */
export const MAX_LINE_BYTES = 512 * 1024;

/** Ring memory that each capture finds at the least, in MiB: the smallest ring that is of use, twice. */
export const LEAST_CAPTURE_MEBIBYTES = 2;

/** How packets are taken out of the kernel: from its ring itself where the kind of interface allows that, or by libpcap. */
export const PACKET_METHODS = ['ring', 'libpcap'] as const;
export type PacketMethod = (typeof PACKET_METHODS)[number];

/** First line of a connection. */
export type Greeting =
  { readonly type: 'control'; readonly version: number } | { readonly type: 'data'; readonly id: string };

/** Server → engine, on the control connection. */
export type EngineRequest =
  /** Open, verify and begin; `id` is a UUID made by the server, and names the data connection as well. */
  | { readonly type: 'start'; readonly id: string; readonly order: CaptureSpec }
  /** Deliver what the rings hold, write the statistics, end the stream. Unknown ids are ignored. */
  | { readonly type: 'stop'; readonly id: string }
  /** Tell what you have done so far; `id` comes back with the answer. */
  | { readonly type: 'report'; readonly id: string };

/** Why a capture that had begun is over. */
export const END_CODES = ['stopped', 'target-ended', 'limit-reached', 'internal'] as const;
export type EndCode = (typeof END_CODES)[number];

/** What was delivered and what was lost, over all interfaces. */
export interface CaptureTotals {
  readonly packets: number;
  readonly bytes: number;
  /** Packets that the kernel dropped because the ring was full. */
  readonly dropped: number;
}

/** What an engine has done since it began, and what it holds now. */
export interface EngineReport {
  readonly captures: number;
  readonly totals: CaptureTotals;
  /** Set aside for the rings of captures. */
  readonly ringBytes: number;
  /** All that there is for them. */
  readonly mostRingBytes: number;
}

/** Why an engine cannot capture, as a readable sentence, and which of its needs is not met. */
export interface EngineProblem {
  readonly part: 'capabilities' | 'libpcap';
  readonly message: string;
}

/** Engine → server, on the control connection. */
export type EngineEvent =
  /** Sent once, first. No `problems`: all is well. */
  | { readonly type: 'hello'; readonly version: number; readonly problems: readonly EngineProblem[] }
  | { readonly type: 'started'; readonly id: string; readonly interfaces: readonly string[] }
  | {
      readonly type: 'refused';
      readonly id: string;
      readonly code: CaptureErrorCode;
      readonly message: string;
    }
  | {
      readonly type: 'ended';
      readonly id: string;
      readonly code: EndCode;
      readonly message: string;
      readonly totals: CaptureTotals;
    }
  | { readonly type: 'report'; readonly id: string; readonly report: EngineReport };
