/** From the benchmark to the client process. */
export type ClientRequest =
  | {
      readonly type: 'open';
      readonly ids: readonly number[];
      readonly url: string;
      readonly everyLatency: boolean;
    }
  | { readonly type: 'stall' | 'resume' | 'close'; readonly ids: readonly number[] }
  | { readonly type: 'report'; readonly ids: readonly number[]; readonly withLatencies: boolean };

/** State of a stream. */
export interface StreamReport {
  readonly id: number;
  readonly packets: number;
  readonly packetBytes: number;
  readonly interfaces: number;
  /** isb_ifrecv and isb_osdrop of all interfaces. */
  readonly received: number;
  readonly dropped: number;
  /** The stream ends with a complete block, and everything before it was valid. */
  readonly whole: boolean;
  /** What made the stream invalid. */
  readonly damage?: string | undefined;
  readonly messages: number;
  /** Received on the TCP connection. */
  readonly bytes: number;
  /** Time from connecting to the first byte of pcapng. */
  readonly firstByteMs?: number | undefined;
  /** Why it ended; absent while it is open. */
  readonly closing?: string | undefined;
  /** In milliseconds, since the last report that included them. */
  readonly latencies: readonly number[];
}
