import type { ChildProcess, ProcessEnd } from './child-process.js';
import type { Log } from './log.js';
import { RestartedChild } from './restarted-child.js';

/** The server and those behind it have these to end in order; together well under the 5 s that we promise. */
const FRONT_DEADLINE_MS = 3_000;
const ENGINE_DEADLINE_MS = 1_000;
/** One SIGTERM often comes as two: to the group, and passed on by npm. Only what comes later is deliberate. */
const DELIBERATE_AFTER_MS = 1_000;

/** What the supervisor looks after. Each call of a launcher starts a new process. */
export interface ChildSpecs {
  readonly engines: readonly (() => ChildProcess)[];
  /** Knows what there is to capture from; optional, as the service can do without. */
  readonly discoverer?: () => ChildProcess;
  readonly server: () => ChildProcess;
}

/** Starts server, engines and discoverer, starts again those that die, and ends them all when asked to. */
export class Supervisor {
  private readonly server: RestartedChild;
  /** Those with powers. */
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

  /** Runs until asked to end, or until the server cannot begin; settles with the exit status for all. */
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

  /** Ends everything in order: captures are closed by the server, so the server goes first. */
  shutDown(reason: string): void {
    if (this.shutdownBeganAtMs !== undefined) return this.hasten();
    this.shutdownBeganAtMs = performance.now();
    this.log(`${reason}: ending`);
    void this.stopAll().then(() => this.outcome.resolve(0));
  }

  private hasten(): void {
    if (performance.now() - (this.shutdownBeganAtMs ?? 0) < DELIBERATE_AFTER_MS) return;
    for (const child of [this.server, ...this.others]) child.kill();
  }

  /** The server said itself what is wrong (a port in use, for example); starting it again would not help. */
  private async giveUp(end: ProcessEnd): Promise<void> {
    if (end.error) this.log(`the server could not be started: ${end.error.message}`, 'fatal');
    else if (end.signal) this.log(`the server was ended by ${end.signal} before it was ready`, 'fatal');
    await this.stopAll();
    this.outcome.resolve(end.status === null || end.status === 0 ? 1 : end.status);
  }

  private async stopAll(): Promise<void> {
    await this.server.stop(FRONT_DEADLINE_MS);
    await Promise.all(this.others.map((child) => child.stop(ENGINE_DEADLINE_MS)));
  }
}
