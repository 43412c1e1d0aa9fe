import { existsSync, readdirSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { processesAtRest } from './at-rest.js';
import { Child } from './child.js';
import { eventually } from './eventually.js';
import {
  isAlive,
  processTree,
  proportionalKiB,
  type ProcessFacts,
  type ProcessIdentity,
} from './processes.js';

export const PROJECT = new URL('../../', import.meta.url).pathname;
export const MAIN = `${PROJECT}dist/main.js`;
export const CAPTURE_COMMAND = `${PROJECT}dist/cli/main.js`;
/** Runs a program with system calls that fail as on an older kernel. */
export const AS_OLDER_KERNEL = `${PROJECT}test/engine/programs/as-older-kernel.mjs`;
/** For example linux-5.4: all services of the tests run as on that kernel. */
const KERNEL = process.env['PACKETFLIX_TEST_KERNEL'];
export const SERVICE_COMMAND: readonly string[] = [
  ...(KERNEL ? [process.execPath, AS_OLDER_KERNEL, KERNEL] : []),
  ...[process.execPath, MAIN],
];
const START_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 15_000;
/** Maximum time between the end of the supervisor, which waits for its children, and that of the last process. */
const REMAINDER_TIMEOUT_MS = 2_000;

/** Roles of the processes of the service, besides the supervisor. */
export type RoleName = 'server' | 'engine' | 'discoverer' | 'filter compiler';

/** Resources of a process tree in total. */
export interface Resources {
  readonly processes: number;
  readonly threads: number;
  readonly descriptors: number;
  readonly residentKiB: number;
}

export interface StartOptions {
  /** Default: any free port. */
  readonly port?: number;
  /** The command to which the options are appended. It must replace itself with the service by execve(2). */
  readonly command?: readonly string[];
}

/** The built service, whose processes tests can find by their roles. */
export class Service implements AsyncDisposable {
  /** By process ID and start time. */
  private readonly seen = new Map<string, ProcessIdentity>();

  private constructor(
    readonly child: Child,
    readonly port: number,
  ) {}

  /** Resolves when the service answers. */
  static async start(
    options: readonly string[] = [],
    { port, command = SERVICE_COMMAND }: StartOptions = {},
  ): Promise<Service> {
    if (!existsSync(MAIN)) throw new Error(`there is no ${MAIN}: run "npm run build" first`);
    port ??= await freePort();
    const [program = '', ...args] = [...command, '--port', String(port), ...options];
    const service = new Service(await Child.start(program, args), port);
    try {
      await eventually('the service to answer', () => service.answers(), START_TIMEOUT_MS);
    } catch (error) {
      await service[Symbol.asyncDispose]();
      throw new Error(`the service did not start:\n${service.log}`, { cause: error });
    }
    return service;
  }

  get pid(): number {
    return this.child.pid;
  }

  /** The log so far. */
  get log(): string {
    return this.child.stdout + this.child.stderr;
  }

  url(path: string, scheme: 'http' | 'ws' = 'http'): string {
    return `${scheme}://127.0.0.1:${this.port}${path}`;
  }

  async answers(): Promise<boolean> {
    if (!this.child.alive) throw new Error(`the service has ended:\n${this.log}`);
    return (await fetch(this.url('/version'))).ok;
  }

  /** Waits until captures can begin: engines connect only after the service answers. */
  async ready(timeoutMs?: number): Promise<void> {
    await eventually('the service to be ready', async () => (await fetch(this.url('/readyz'))).ok, timeoutMs);
  }

  /** The supervisor and its descendants. `nothingIsLeft` checks that each of the returned processes has ended. */
  processes(): ProcessFacts[] {
    const facts = processTree(this.pid);
    for (const seen of facts) this.seen.set(`${seen.pid} ${seen.startTime}`, seen);
    return facts;
  }

  /** The first process in that role. */
  inRole(role: RoleName): ProcessFacts {
    const [found] = this.allInRole(role);
    if (!found) throw new Error(`no ${role} among the processes of the service:\n${this.log}`);
    return found;
  }

  allInRole(role: RoleName): ProcessFacts[] {
    // The title of a process replaces its command line.
    const pattern = new RegExp(`(main\\.js |packetflix: )${role}`);
    return this.processes().filter(({ command }) => pattern.test(command));
  }

  resources(): Resources {
    return sumOf(this.processes());
  }

  /** PSS of all processes in total, see `proportionalKiB`. */
  proportionalMib(): number {
    return this.processes().reduce((sum, { pid }) => sum + proportionalKiB(pid), 0) / 1024;
  }

  /** The resources, as soon as descriptors and threads do not change any more. */
  async resourcesAtRest(): Promise<Resources> {
    return sumOf(await processesAtRest(this.pid));
  }

  terminate(): void {
    this.child.signal('SIGTERM');
  }

  /** Ends the service with SIGTERM, expects all its processes to end, and returns its exit status. */
  async stop(): Promise<number | NodeJS.Signals> {
    this.processes();
    this.terminate();
    const deadline = AbortSignal.timeout(STOP_TIMEOUT_MS);
    const status = await Promise.race([this.child.ended, once(deadline, 'abort')]);
    if (Array.isArray(status)) throw new Error(`the service did not end on SIGTERM:\n${this.log}`);
    await this.nothingIsLeft(REMAINDER_TIMEOUT_MS);
    return status;
  }

  /** Waits until all processes have ended that `processes` has returned before. */
  async nothingIsLeft(timeoutMs: number): Promise<void> {
    await eventually('all processes of the service to end', () => this.remaining.length === 0, timeoutMs);
  }

  /** Makes each test check that the service ends on SIGTERM and leaves no process. Remaining processes are killed. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (this.child.alive) await this.stop();
    } finally {
      await this.child[Symbol.asyncDispose]();
      for (const { pid } of this.remaining) process.kill(pid, 'SIGKILL');
    }
  }

  private get remaining(): ProcessIdentity[] {
    return [...this.seen.values()].filter(isAlive);
  }
}

function sumOf(processes: readonly ProcessFacts[]): Resources {
  const sum = (value: (facts: ProcessFacts) => number) =>
    processes.reduce((total, facts) => total + value(facts), 0);
  return {
    processes: processes.length,
    threads: sum((facts) => facts.threads),
    descriptors: sum((facts) => facts.descriptors.length),
    residentKiB: sum((facts) => facts.residentKiB),
  };
}

/** One service for all tests of a file. */
export function serviceForAllTests(options: readonly string[] = []): { readonly current: Service } {
  let service: Service | undefined;
  beforeAll(async () => {
    service = await Service.start(options);
  });
  afterAll(async () => {
    await service?.[Symbol.asyncDispose]();
  });
  return {
    get current() {
      if (!service) throw new Error('the service has not been started');
      return service;
    },
  };
}

/** The runtime directories of the supervisor with this process ID. */
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

/**
 * Returns a TCP port that is free on all addresses. To keep it free until it is used, it is below the range of ephemeral
 * ports (32768 and up), and each Jest worker has a separate range.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = nextPort();
    if (await isFree(port)) return port;
    await sleep(1);
  }
}

const FIRST_PORT = 12_000;
const PORTS_PER_WORKER = 2_000;
const WORKERS = 8;
/** Starts at the process ID, so that concurrent test runs use different ports. */
let portCounter = process.pid;

function nextPort(): number {
  portCounter += 1;
  const worker = Number(process.env['JEST_WORKER_ID'] ?? 0) % WORKERS;
  return FIRST_PORT + worker * PORTS_PER_WORKER + (portCounter % PORTS_PER_WORKER);
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port);
    await once(server, 'listening');
    return true;
  } catch {
    return false; // EADDRINUSE: another program uses the port
  } finally {
    if (server.listening) {
      server.close();
      await once(server, 'close');
    }
  }
}
