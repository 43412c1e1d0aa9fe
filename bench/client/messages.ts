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

/** What a stream has come to so far. */
export interface StreamReport {
  readonly id: number;
  readonly packets: number;
  readonly packetBytes: number;
  readonly interfaces: number;
  /** isb_ifrecv and isb_osdrop of all interfaces. */
  readonly received: number;
  readonly dropped: number;
  /** Ends with a whole block, and all before it made sense. */
  readonly whole: boolean;
  readonly damage?: string | undefined;
  readonly messages: number;
  /** Of the TCP connection. */
  readonly bytes: number;
  /** From connecting to the first byte of pcapng. */
  readonly firstByteMs?: number | undefined;
  /** How it ended. */
  readonly closing?: string | undefined;
  /** Since the last report that told them, in milliseconds. */
  readonly latencies: readonly number[];
}
