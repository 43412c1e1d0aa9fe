import { copyFileSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import type { Child } from '../kit/child.js';
import type { ContainerRuntime } from '../kit/container-runtimes.js';
import { eventually } from '../kit/eventually.js';
import { processTree, type ProcessFacts } from '../kit/processes.js';
import { run } from '../kit/run.js';
import { freePort } from '../kit/service.js';
import { removeFolder, teardown } from '../kit/teardown.js';
import { PROJECT } from './base-images.js';

const FOLDER = join(PROJECT, 'docker');
/** The file that docker/compose.yaml extends. It defines the privileges of the service. */
const BASE = 'compose.base.yaml';
const START_TIMEOUT_MS = 60_000;
const LOG_TIMEOUT_MS = 10_000;
let counter = 0;

/** Fields of the Compose service that tests change. */
export interface ComposedService {
  cap_add: string[];
  security_opt: string[];
  restart: string;
  user?: string;
}

/** The service in a container, which Compose starts from docker/compose.yaml, unchanged or with changes of a test. */
export class DeployedService implements AsyncDisposable {
  private logReader: Child | undefined;
  private id = '';

  private constructor(
    readonly runtime: ContainerRuntime,
    readonly port: number,
    private readonly project: string,
    private readonly folder: string,
  ) {}

  /** Resolves when the service answers, or, with `answers: false`, when Compose has started it. */
  static async up(
    runtime: ContainerRuntime,
    { change, answers = true }: { change?: (service: ComposedService) => void; answers?: boolean } = {},
  ): Promise<DeployedService> {
    const adapt = runtime.type === 'podman' ? withoutProfile : undefined;
    const changes = [change, adapt].filter((each) => each !== undefined);
    const folder = changes.length > 0 ? changedCopy(changes) : FOLDER;
    const service = new DeployedService(runtime, await freePort(), projectName(), folder);
    try {
      await service.compose('up', '--detach', '--no-build');
      await service.follow();
      if (answers) await eventually('the service to answer', () => service.answers(), START_TIMEOUT_MS);
      return service;
    } catch (cause) {
      await service[Symbol.asyncDispose]();
      throw new Error(`the service did not start:\n${service.log}`, { cause });
    }
  }

  url(path: string, scheme: 'http' | 'ws' = 'http'): string {
    return `${scheme}://127.0.0.1:${this.port}${path}`;
  }

  /** The log since the last start. */
  get log(): string {
    return (this.logReader?.stdout ?? '') + (this.logReader?.stderr ?? '');
  }

  /** Waits until the log matches, because `logs --follow` delivers lines with a delay. */
  async logged(pattern: RegExp): Promise<void> {
    await eventually(`${String(pattern)} in the log`, () => pattern.test(this.log), LOG_TIMEOUT_MS);
  }

  get containerId(): string {
    return this.id;
  }

  async pid(): Promise<number> {
    return Number(await this.runtime.cli('inspect', '--format', '{{.State.Pid}}', this.id));
  }

  /** Status and exit code of the container, such as `exited 1`. */
  async state(): Promise<string> {
    return (
      await this.runtime.cli('inspect', '--format', '{{.State.Status}} {{.State.ExitCode}}', this.id)
    ).trim();
  }

  /** The supervisor and its descendants. */
  async processes(): Promise<ProcessFacts[]> {
    return processTree(await this.pid());
  }

  async answers(): Promise<boolean> {
    return (await fetch(this.url('/version'))).ok;
  }

  /** Starts the same container again after it has ended. */
  async startAgain(): Promise<void> {
    await this.runtime.cli('start', this.id);
    await this.follow();
    await eventually('the service to answer', () => this.answers(), START_TIMEOUT_MS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await teardown(
      `the Compose project ${this.project}`,
      () => this.logReader?.[Symbol.asyncDispose](),
      () => this.remove(),
      () => this.folder !== FOLDER && removeFolder(this.folder),
    );
  }

  /** Removes container and network itself, because `compose down` takes several seconds for that. */
  private async remove(): Promise<void> {
    if (this.id === '') {
      await this.compose('down', '--timeout', '0');
      return;
    }
    await this.runtime.cli('rm', '--force', this.id);
    await this.runtime.cli('network', 'rm', `${this.project}_default`);
  }

  /** Runs in the folder of the file: some versions of Compose resolve its paths against that, others against the cwd. */
  private async compose(...args: readonly string[]): Promise<string> {
    const environment = [`DOCKER_HOST=${this.runtime.address}`, `PACKETFLIX_PORT=${this.port}`];
    const options = ['--file', 'compose.yaml', '--project-name', this.project];
    return await run('env', '-C', this.folder, ...environment, 'docker-compose', ...options, ...args);
  }

  private async follow(): Promise<void> {
    await this.logReader?.[Symbol.asyncDispose]();
    this.id = (await this.compose('ps', '--quiet', '--all')).trim();
    this.logReader = await this.runtime.child('logs', '--follow', this.id);
  }
}

/** Podman expects the path of a profile, but Compose sends its text: the runtime has been configured with it instead. */
function withoutProfile(service: ComposedService): void {
  service.security_opt = service.security_opt.filter((option) => !option.startsWith('seccomp:'));
}

function changedCopy(changes: readonly ((service: ComposedService) => void)[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'pf-compose-'));
  for (const name of ['compose.yaml', BASE, 'seccomp.json'])
    copyFileSync(join(FOLDER, name), join(folder, name));
  const document = parse(readFileSync(join(FOLDER, BASE), 'utf8')) as {
    services: { packetflix: ComposedService };
  };
  for (const change of changes) change(document.services.packetflix);
  // Compose reads YAML 1.1, in which an unquoted `no` is false.
  writeFileSync(join(folder, BASE), stringify(document, { version: '1.1' }));
  return folder;
}

function projectName(): string {
  counter += 1;
  return `pft${process.pid}x${counter}`;
}
