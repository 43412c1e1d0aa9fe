import type { ChildProcess, ProcessEnd } from './child-process.js';
import { RestartedChild, type Log } from './restarted-child.js';

/** Time for the server and then the others to end in order; together well below the 5 s that are promised. */
const SERVER_DEADLINE_MS = 3_000;
const OTHERS_DEADLINE_MS = 1_000;
/** One SIGTERM often arrives twice: sent to the process group, and forwarded by npm. A later one is deliberate. */
const DELIBERATE_AFTER_MS = 1_000;

/** How to start the children of the supervisor: each call of a function starts a new process. */
export interface ChildSpecs {
  readonly engines: readonly (() => ChildProcess)[];
  readonly discoverer?: () => ChildProcess;
  readonly server: () => ChildProcess;
}

/** Starts server, engines and discoverer, restarts those that die, and ends them all on request. */
export class Supervisor {
  private readonly server: RestartedChild;
  /** The privileged children. */
  private readonly others: readonly RestartedChild[];
  private shutdownBeganAtMs: number | undefined;
  private readonly outcome = Promise.withResolvers<number>();

  constructor(
    specs: ChildSpecs,
    private readonly log: Log,
  ) {
    this.server = new RestartedChild('server', specs.server, log);
    const { engines, discoverer } = specs;
    this.others = [
      ...engines.map((launch, index) => new RestartedChild(`engine ${index}`, launch, log)),
      ...(discoverer ? [new RestartedChild('discoverer', discoverer, log)] : []),
    ];
  }

  /** Runs until `shutDown`, or until the server fails to start; settles with the exit status of the service. */
  async run(): Promise<number> {
    for (const child of this.others) child.start();
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
    for (const child of [this.server, ...this.others]) child.kill();
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
    await Promise.all(this.others.map((child) => child.stop(OTHERS_DEADLINE_MS)));
  }
}
