import { readdirSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Child } from '../kit/child.js';
import { eventually } from '../kit/eventually.js';
import { isAlive, processTree, type ProcessFacts } from '../kit/process-tree.js';
import { freePort } from '../kit/service.js';

export const PROJECT = new URL('../../', import.meta.url).pathname;
const DISPOSE_TIMEOUT_MS = 6_000;
export const MAIN = `${PROJECT}dist/main.js`;

/** What a process of the service can be, beside the supervisor. */
export type RoleName = 'server' | 'engine' | 'discoverer' | 'filter compiler';

/** The service as a group of processes, whose every member a test can find and shoot at. */
export class RunningService implements AsyncDisposable {
  private readonly seen = new Set<number>();

  private constructor(
    readonly child: Child,
    readonly port: number,
  ) {}

  /** `command` starts the service and takes its options; comes back when the service answers. */
  static async start(command: readonly string[] = [process.execPath, MAIN]): Promise<RunningService> {
    const port = await freePort();
    // The leader of a session and a group of its own: a signal to the group must not hit the tests.
    const child = await Child.start('setsid', [...command, '--port', String(port)]);
    const service = new RunningService(child, port);
    try {
      await eventually('the service to answer', () => service.answers(), 30_000);
    } catch (error) {
      await service[Symbol.asyncDispose]();
      throw new Error(`the service did not start:\n${service.log}`, { cause: error });
    }
    return service;
  }

  get pid(): number {
    return this.child.pid;
  }

  url(path: string, scheme: 'http' | 'ws' = 'http'): string {
    return `${scheme}://127.0.0.1:${this.port}${path}`;
  }

  get log(): string {
    return this.child.stdout + this.child.stderr;
  }

  /** All processes there are now; they are remembered, and `nothingIsLeft` looks for each of them. */
  processes(): ProcessFacts[] {
    const facts = processTree(this.pid);
    for (const { pid } of facts) this.seen.add(pid);
    return facts;
  }

  /** The process with that role; when there are several, the first. */
  inRole(role: RoleName): ProcessFacts {
    const [found] = this.allInRole(role);
    if (!found) throw new Error(`no ${role} among the processes of the service:\n${this.log}`);
    return found;
  }

  allInRole(role: RoleName): ProcessFacts[] {
    // A process may have given itself a title, which then stands in place of its command line.
    const pattern = new RegExp(`(main\\.js |packetflix: )${role}`);
    return this.processes().filter(({ command }) => pattern.test(command));
  }

  async answers(): Promise<boolean> {
    if (!this.child.alive) throw new Error(`the service has ended:\n${this.log}`);
    return (await fetch(`http://127.0.0.1:${this.port}/version`)).ok;
  }

  /** Call `processes` before the end, to know whom to look for. */
  async nothingIsLeft(timeoutMs: number): Promise<void> {
    await eventually('all processes of the service to end', () => ![...this.seen].some(isAlive), timeoutMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.processes();
    // In good order first, so that no runtime directory is left.
    if (this.child.alive) this.child.signal('SIGTERM');
    await Promise.race([this.child.ended, sleep(DISPOSE_TIMEOUT_MS, undefined, { ref: false })]);
    await this.child[Symbol.asyncDispose]();
    // Should the service fail to end with its supervisor: that is what some tests are about, no leak of theirs.
    for (const pid of this.seen) if (isAlive(pid)) process.kill(pid, 'SIGKILL');
  }
}

/** The runtime directories of that supervisor. */
export function runtimeDirectories(supervisor: number): string[] {
  return ['/run', tmpdir()].flatMap((parent) =>
    readdirSync(parent)
      .filter((name) => new RegExp(`^packetflix-\\d+-${supervisor}-`).test(name))
      .map((name) => join(parent, name)),
  );
}

/** The inode number of the network namespace that the tests run in. */
export function netnsOfThisProcess(): number {
  return statSync('/proc/self/ns/net').ino;
}
