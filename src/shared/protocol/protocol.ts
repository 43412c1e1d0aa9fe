import type { CaptureErrorCode } from './capture-error.js';
import type { CaptureSpec, SetMember, SetSpec } from './capture-spec.js';

/**
 * The messages between the server and an engine, on the engine's unix socket: JSON, one message per line. The first
 * line of each connection is a {@link Greeting}.
 *
 * A *control* connection carries requests and events. A *capture* connection stands for one capture: its greeting
 * contains the capture spec, and closing it ends the capture. What the engine has to say about a capture (started,
 * refused, ended) goes to the control connection.
 *
 * The pcapng stream goes directly into the socket of the client, if the greeting names its descriptor in the server and the
 * engine can take a second one of it, see pidfd_getfd(2). Otherwise it is what follows the greeting on the capture
 * connection.
 */

/** Incremented when a message changes its meaning. The server and its engines come from the same build. */
export const PROTOCOL_VERSION = 8;

/** Maximum length of a line in bytes. The names of 1,000 interfaces are 61 kB. */
export const MAX_LINE_BYTES = 512 * 1024;

/** Ring memory that is reserved for each capture, in MiB: two rings of the smallest useful size. */
export const MIN_CAPTURE_MEBIBYTES = 2;

/** How packets are taken from the kernel: `ring` where the type of the interface allows that, else libpcap. */
export const PACKET_METHODS = ['ring', 'libpcap'] as const;
export type PacketMethod = (typeof PACKET_METHODS)[number];

/** How a stream is divided in a client's socket: into websocket messages, or not at all. */
export const FRAMINGS = ['websocket', 'plain'] as const;
export type Framing = (typeof FRAMINGS)[number];

/** The socket of a client. */
export interface ClientSocket {
  /** Number of the descriptor in the server process. */
  readonly descriptor: number;
  /** Inode of the socket: when the client has gone, the descriptor may be that of another client before the engine takes it. */
  readonly inode: number;
  /** With `plain`, the engine writes nothing before the request `deliver`: the server writes the head of an HTTP response first. */
  readonly framing: Framing;
  /** A message is longer only if it consists of a single longer block. */
  readonly maxMessageBytes: number;
}

/** First line of a connection, from the server. */
export type Greeting =
  | { readonly type: 'control'; readonly version: number }
  /** `connection` is the name of the control connection, from its `hello`. */
  | {
      readonly type: 'capture';
      readonly connection: string;
      /** A `CaptureSpec` is of one target, a `SetSpec` of a set or of a target that is followed. */
      readonly spec: CaptureSpec | SetSpec;
      /** From the greeting (`plain`: from `deliver`) until `ended` or `refused`, the server must not write to this socket. */
      readonly client?: ClientSocket;
    };

/** Server → engine, on the control connection. */
export type EngineRequest =
  /** Deliver what the rings contain, write the statistics, and end the stream. Unknown ids are ignored. */
  | { readonly type: 'stop'; readonly captureId: string }
  /** Write the stream to the socket of the client, whose framing is `plain`: it is ready now. Comes once, after `started`. */
  | { readonly type: 'deliver'; readonly captureId: string }
  /** Begin to capture from members of a set. The answer for each of them is `attached` or `left`. */
  | { readonly type: 'attach'; readonly captureId: string; readonly members: readonly SetMember[] }
  /** Capture no longer from that member. There is no answer. */
  | {
      readonly type: 'detach';
      readonly captureId: string;
      readonly memberId: number;
      readonly reason: string;
    }
  /** Write this comment into the stream of a set. */
  | { readonly type: 'comment'; readonly captureId: string; readonly text: string }
  /**
   * Write these bytes, in base64, to the socket of the client between two messages of the stream. After the `last` ones
   * nothing follows, and the capture ends. Ignored after `ended`.
   */
  | { readonly type: 'write'; readonly captureId: string; readonly bytes: string; readonly last: boolean }
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

/** Why a member of a set could not join, or left by itself. */
export type LeaveCode = CaptureErrorCode | 'target-ended';

/** What an engine has written to the socket of a client. */
export interface DirectProgress {
  readonly captureId: string;
  /** Bytes of pcapng, including those that wait for room in the socket. */
  readonly streamBytes: number;
  /** Bytes that the socket has accepted, with headers and control frames. */
  readonly sentBytes: number;
  /** Whether bytes wait for room in the socket, or waited a moment ago: it may end in the middle of a message. */
  readonly blocked: boolean;
  /** Number of interface description blocks in the stream. */
  readonly interfaces: number;
  readonly packets: number;
  /** Packets that the kernel dropped because a ring was full. */
  readonly dropped: number;
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
  | {
      readonly type: 'started';
      readonly captureId: string;
      readonly interfaces: number;
      /** Whether the engine writes to the socket of the client. */
      readonly direct: boolean;
    }
  | {
      readonly type: 'refused';
      readonly captureId: string;
      readonly code: CaptureErrorCode;
      readonly message: string;
    }
  /** A member of a set is captured from. */
  | { readonly type: 'attached'; readonly captureId: string; readonly memberId: number }
  | {
      readonly type: 'left';
      readonly captureId: string;
      readonly memberId: number;
      readonly code: LeaveCode;
      readonly message: string;
    }
  | {
      readonly type: 'ended';
      readonly captureId: string;
      readonly code: EndCode;
      readonly message: string;
      readonly totals: CaptureTotals;
      /** Whether the engine wrote to the socket of the client. */
      readonly direct: boolean;
      /** Bytes of pcapng in the stream. */
      readonly streamBytes: number;
      /** Number of interface description blocks in the stream. */
      readonly interfaces: number;
    }
  /**
   * The engine has had no captures for a while. A server that has none here closes the connection, and the engine ends when
   * no connection is left.
   */
  | { readonly type: 'idle' }
  /** The last `write` is done; the server waits for this before the next one. */
  | { readonly type: 'written'; readonly captureId: string }
  /** Sent when a capture becomes `blocked`, and at intervals for captures that have made progress. */
  | { readonly type: 'progress'; readonly captures: readonly DirectProgress[] }
  | { readonly type: 'report'; readonly id: string; readonly report: EngineReport };
