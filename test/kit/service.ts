import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { processesAtRest } from './at-rest.js';
import { Child } from './child.js';
import { eventually } from './eventually.js';
import { isAlive, processTree, type ProcessFacts } from './process-tree.js';

const PROJECT = new URL('../../', import.meta.url).pathname;
const MAIN = `${PROJECT}dist/main.js`;
const STOP_TIMEOUT_MS = 15_000;

/** What a process tree takes, summed up. */
export interface Resources {
  readonly processes: number;
  readonly threads: number;
  readonly descriptors: number;
  readonly residentKiB: number;
}

/** The built service as a process of its own, on a free port. */
export class Service implements AsyncDisposable {
  private constructor(
    private readonly child: Child,
    readonly port: number,
  ) {}

  /**
   * Comes back when it answers.
   *
   * @param port any free one, unless an option has to name it
   * @param wrapper a command that runs it without a process in between, such as a tracer's
   */
  static async start(
    options: readonly string[] = [],
    port?: number,
    wrapper: readonly string[] = [],
  ): Promise<Service> {
    if (!existsSync(MAIN)) {
      throw new Error(`there is no ${MAIN}: run "npm run build" first`);
    }
    port ??= await freePort();
    const [command = '', ...args] = [...wrapper, process.execPath, MAIN, '--port', String(port), ...options];
    const child = await Child.start(command, args);
    const service = new Service(child, port);
    try {
      await eventually('the service to answer', () => service.answers(), 20_000);
    } catch (error) {
      await service[Symbol.asyncDispose]();
      throw new Error(`the service did not start:\n${service.log}`, { cause: error });
    }
    return service;
  }

  get pid(): number {
    return this.child.pid;
  }

  /** All that it has logged so far. */
  get log(): string {
    return this.child.stdout + this.child.stderr;
  }

  url(path: string, scheme: 'http' | 'ws' = 'http'): string {
    return `${scheme}://127.0.0.1:${this.port}${path}`;
  }

  /** The supervisor and everything that it started. */
  processes(): ProcessFacts[] {
    return processTree(this.pid);
  }

  resources(): Resources {
    return sumOf(this.processes());
  }

  /** The same, once nothing changes any more. */
  async resourcesAtRest(): Promise<Resources> {
    return sumOf(await processesAtRest(this.pid));
  }

  terminate(): void {
    this.child.signal('SIGTERM');
  }

  /** Asks it to end, and sees to it that nothing of it is left; gives its exit status. */
  async stop(): Promise<number | NodeJS.Signals> {
    const pids = this.processes().map(({ pid }) => pid);
    this.terminate();
    const deadline = AbortSignal.timeout(STOP_TIMEOUT_MS);
    const status = await Promise.race([this.child.ended, once(deadline, 'abort')]);
    if (Array.isArray(status)) {
      throw new Error(`the service does not end on SIGTERM:\n${this.log}`);
    }
    await eventually('all processes of the service to end', () => !pids.some(isAlive), 2_000);
    return status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.alive) {
      try {
        await this.stop();
      } finally {
        await this.child[Symbol.asyncDispose]();
      }
    }
  }

  private async answers(): Promise<boolean> {
    if (!this.child.alive) {
      throw new Error('the service has ended');
    }
    return (await fetch(this.url('/version'))).ok;
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
      if (!service) {
        throw new Error('the service has not been started');
      }
      return service;
    },
  };
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address ? address.port : 0;
}
