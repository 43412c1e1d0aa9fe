import type { CaptureErrorCode } from './capture-error.js';
import type { CaptureSpec } from './capture-spec.js';

/**
 * The messages between the server and an engine, on the engine's unix socket: JSON, one message per line. The first
 * line of each connection is a {@link Greeting}.
 *
 * A *control* connection carries requests and events. A *capture* connection carries one capture: its greeting contains
 * the capture spec, and everything after it is pcapng from the engine to the server. Closing it ends the capture.
 * What the engine has to say about a capture (started, refused, ended) goes to the control connection.
 */

/** Incremented when a message changes its meaning. The server and its engines come from the same build. */
export const PROTOCOL_VERSION = 4;

/** Maximum length of a line in bytes. The names of 1,000 interfaces are 61 kB. */
export const MAX_LINE_BYTES = 512 * 1024;

/** Ring memory that is reserved for each capture, in MiB: two rings of the smallest useful size. */
export const MIN_CAPTURE_MEBIBYTES = 2;

/** How packets are taken from the kernel: `ring` where the type of the interface allows that, else libpcap. */
export const PACKET_METHODS = ['ring', 'libpcap'] as const;
export type PacketMethod = (typeof PACKET_METHODS)[number];

/** First line of a connection, from the server. */
export type Greeting =
  | { readonly type: 'control'; readonly version: number }
  /** `connection` is the name of the control connection, from its `hello`. */
  | { readonly type: 'capture'; readonly connection: string; readonly spec: CaptureSpec };

/** Server → engine, on the control connection. */
export type EngineRequest =
  /** Deliver what the rings contain, write the statistics, and end the stream. Unknown ids are ignored. */
  | { readonly type: 'stop'; readonly captureId: string }
  /** Report the totals; the answer has the same `id`. */
  | { readonly type: 'report'; readonly id: string };

/** Why a running capture ended. */
export const END_CODES = ['stopped', 'target-ended', 'limit-reached', 'internal'] as const;
export type EndCode = (typeof END_CODES)[number];

/** Packets delivered and lost, over all interfaces. */
export interface CaptureTotals {
  readonly packets: number;
  readonly bytes: number;
  /** Packets that the kernel dropped because a ring was full. */
  readonly dropped: number;
}

/** What an engine has delivered since it started, and the memory that it uses. */
export interface EngineReport {
  /** Captures that run. */
  readonly captures: number;
  readonly totals: CaptureTotals;
  /** Ring memory in use. */
  readonly ringBytes: number;
  /** Maximum ring memory. */
  readonly maxRingBytes: number;
}

/** Why an engine cannot capture, as a readable sentence, and which of its requirements is not met. */
export interface EngineProblem {
  readonly part: 'capabilities' | 'libpcap';
  readonly message: string;
}

/** Engine → server, on the control connection. */
export type EngineEvent =
  /** Sent once, first. `connection` names this control connection, for the greetings of its captures. */
  | {
      readonly type: 'hello';
      readonly version: number;
      readonly connection: string;
      readonly problems: readonly EngineProblem[];
    }
  /** The engine has read the spec, and is opening the capture. */
  | { readonly type: 'accepted'; readonly captureId: string }
  | { readonly type: 'started'; readonly captureId: string; readonly interfaces: readonly string[] }
  | {
      readonly type: 'refused';
      readonly captureId: string;
      readonly code: CaptureErrorCode;
      readonly message: string;
    }
  | {
      readonly type: 'ended';
      readonly captureId: string;
      readonly code: EndCode;
      readonly message: string;
      readonly totals: CaptureTotals;
    }
  | { readonly type: 'report'; readonly id: string; readonly report: EngineReport };
