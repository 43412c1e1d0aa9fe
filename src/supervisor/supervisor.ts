import type { ChildProcess, ProcessEnd } from './child-process.js';
import { RestartedChild, type Log } from './restarted-child.js';

/** Time for the server and then the others to end in order; together well below the 5 s that are promised. */
const SERVER_DEADLINE_MS = 3_000;
const PRIVILEGED_DEADLINE_MS = 1_000;
/** One SIGTERM often arrives twice: sent to the process group, and forwarded by npm. A later one is deliberate. */
const DELIBERATE_AFTER_MS = 1_000;

/** A privileged child, which listens at a unix socket. */
export interface PrivilegedChildSpec {
  readonly name: string;
  readonly socketPath: string;
  /** Whether it starts when the server asks for it, not with the service. */
  readonly onDemand: boolean;
  /** Starts a new process. */
  readonly launch: () => ChildProcess;
}

/** How to start the children of the supervisor. */
export interface ChildSpecs {
  readonly privileged: readonly PrivilegedChildSpec[];
  /** Starts a new process. `onStartRequest` is called when it asks for the child that listens at that path. */
  readonly server: (onStartRequest: (socketPath: string) => void) => ChildProcess;
}

/** Starts server, engines and discoverer, restarts those that die, and ends them all on request. */
export class Supervisor {
  private readonly server: RestartedChild;
  /** By the paths of their sockets. */
  private readonly privileged: ReadonlyMap<string, RestartedChild>;
  private shutdownBeganAtMs: number | undefined;
  private readonly outcome = Promise.withResolvers<number>();

  constructor(
    specs: ChildSpecs,
    private readonly log: Log,
  ) {
    this.privileged = new Map(
      specs.privileged.map(({ name, socketPath, onDemand, launch }) => [
        socketPath,
        new RestartedChild(name, launch, log, onDemand),
      ]),
    );
    const onStartRequest = (path: string): void => this.privileged.get(path)?.startIfResting();
    this.server = new RestartedChild('server', () => specs.server(onStartRequest), log);
  }

  /** Runs until `shutDown`, or until the server fails to start; settles with the exit status of the service. */
  async run(): Promise<number> {
    for (const child of this.privileged.values()) if (!child.onDemand) child.start();
    let ready = false;
    const firstServer = this.server.start((end) => {
      if (ready) return 'restart';
      void this.giveUp(end);
      return 'leave';
    });
    ready = await firstServer.becameReady();
    return await this.outcome.promise;
  }

  /** Ends everything in order: the server first, because it closes the captures. */
  shutDown(reason: string): void {
    if (this.shutdownBeganAtMs !== undefined) return this.hasten();
    this.shutdownBeganAtMs = performance.now();
    this.log(`${reason}: shutting down`);
    void this.stopAll().then(() => this.outcome.resolve(0));
  }

  private hasten(): void {
    if (performance.now() - (this.shutdownBeganAtMs ?? 0) < DELIBERATE_AFTER_MS) return;
    for (const child of [this.server, ...this.privileged.values()]) child.kill();
  }

  /** The server has logged what is wrong (a port in use, for example); restarting it would not help. */
  private async giveUp(end: ProcessEnd): Promise<void> {
    if (end.error) this.log(`the server could not be started: ${end.error.message}`, 'fatal');
    else if (end.signal) this.log(`the server was ended by ${end.signal} before it was ready`, 'fatal');
    await this.stopAll();
    this.outcome.resolve(end.status === null || end.status === 0 ? 1 : end.status);
  }

  private async stopAll(): Promise<void> {
    await this.server.stop(SERVER_DEADLINE_MS);
    await Promise.all([...this.privileged.values()].map((child) => child.stop(PRIVILEGED_DEADLINE_MS)));
  }
}
