import type { TestBed } from '../load/test-bed.js';

/** Something that captures: the service, another one, or a program that sets the limit. */
export interface Subject {
  readonly name: string;
  /** Comes back when packets are being captured from the first wire of the test bed. */
  start(bed: TestBed): Promise<Run>;
}

/** A capture at work. */
export interface Run {
  /** Processes whose CPU time and memory, with that of all they start, belong to the capture. */
  readonly pids: readonly number[];
  /** Waits until what was captured has been delivered and counted. */
  settle(): Promise<void>;
  /** Ends it. */
  stop(): Promise<Outcome>;
}

/** What a capture has come to. */
export interface Outcome {
  readonly delivered: number;
  /** By the kernel, because the ring was full. */
  readonly dropped: number;
  /** Only where there are messages. */
  readonly messages?: number;
  /** All that went through the websocket, framing included. */
  readonly bytes?: number;
  readonly latencies?: readonly number[];
  /** A sentence about what must not be. */
  readonly damage?: string;
}
