import type { TestBed } from '../load/test-bed.js';

/** A program that captures: our service, another service, or a reference program. */
export interface Subject {
  readonly name: string;
  /** Resolves when the subject captures from the first veth pair of the test bed. */
  start(bed: TestBed): Promise<Run>;
}

/** A running capture. */
export interface Run {
  /** The capture's processes; their descendants count as well. */
  readonly pids: readonly number[];
  /** Waits until all captured packets have been delivered and counted. */
  settle(): Promise<void>;
  /** Ends it. */
  stop(): Promise<Outcome>;
}

/** Result of a capture. */
export interface Outcome {
  readonly delivered: number;
  /** Packets dropped by the kernel because the ring was full. */
  readonly dropped: number;
  /** Number of websocket messages. */
  readonly messages?: number;
  /** Bytes of the websocket connection, including framing. */
  readonly bytes?: number;
  readonly latencies?: readonly number[];
  /** Describes a fault of the stream. */
  readonly damage?: string;
}
