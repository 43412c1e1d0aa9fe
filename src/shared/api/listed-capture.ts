/** A capture that runs, as `GET /captures` lists it. */
export interface ListedCapture {
  /** As in the log and in the stream: `brave-amber-otter`. */
  readonly name: string;
  /** Name of the target, or what selects the targets of a set; empty: only `netns` was given. */
  readonly target: string;
  /** Whether it is a set. */
  readonly isSet: boolean;
  /** Inode number of the network namespace; of a set there are several. */
  readonly netns?: number;
  /** Empty: all. */
  readonly interfaces: readonly string[];
  readonly filter: string;
  readonly client: string;
  /** Whom the Authenticator or a trusted proxy has named; absent: unknown. */
  readonly user?: string;
  readonly transport: 'websocket' | 'download';
  /** ISO 8601. */
  readonly since: string;
  readonly bytes: number;
  /** Delivered and dropped so far; absent: not known. */
  readonly packets?: number;
  readonly dropped?: number;
  /** Whether the client accepts nothing at present. */
  readonly stalled: boolean;
  /** Whether the one who asks may end it. */
  readonly mayEnd: boolean;
}
