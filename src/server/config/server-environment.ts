/** The server's surroundings. Set by the supervisor, not by users, so these are no options. */
export class ServerEnvironment {
  /** Paths of the engines' unix sockets; empty: there is no engine, and no capture can begin. */
  readonly sockets!: readonly string[];

  /** Path of the discoverer's unix socket; absent: there is no discoverer. */
  readonly discovererSocket?: string;

  /** Whether a supervisor runs us: then it alone decides when we end, and we must have no privileges. */
  readonly supervised!: boolean;

  /** Who to become before the first request, where the code is in a folder closed to that user; absent: nobody else. */
  readonly become?: { readonly uid: number; readonly gid: number };
}
