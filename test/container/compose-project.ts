import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ContainerRuntime } from '../kit/container-runtimes.js';
import { run } from '../kit/run.js';
import { removeFolder, teardown } from '../kit/teardown.js';
import { PROJECT } from './base-images.js';

/** Fields that Debian's Compose 1.29 does not support. The project name is passed as an option. */
const NEWER_FIELDS = /^name: .*\n|^ +cgroup: host\n/gm;
let counter = 0;

/** The containers of one of the compose files in docker/, started by Compose. */
export class ComposeProject implements AsyncDisposable {
  private constructor(
    private readonly runtime: ContainerRuntime,
    private readonly file: string,
    private readonly folder: string,
    private readonly name: string,
    private readonly variables: Readonly<Record<string, string>>,
  ) {}

  /** @param variables environment variables of Compose */
  static async up(
    runtime: ContainerRuntime,
    file: string,
    variables: Readonly<Record<string, string>>,
  ): Promise<ComposeProject> {
    const folder = mkdtempSync(join(tmpdir(), 'pf-compose-'));
    cpSync(join(PROJECT, 'docker'), folder, { recursive: true });
    writeFileSync(join(folder, file), readFileSync(join(folder, file), 'utf8').replace(NEWER_FIELDS, ''));
    counter += 1;
    const project = new ComposeProject(runtime, file, folder, `pfc${process.pid}x${counter}`, variables);
    try {
      await project.compose('up', '--detach', '--no-build');
      return project;
    } catch (cause) {
      await project[Symbol.asyncDispose]();
      throw cause;
    }
  }

  /** The logs of all its containers. */
  log(): Promise<string> {
    return this.compose('logs', '--no-color');
  }

  /** Runs a command in the container of a service and returns its standard output. */
  async exec(service: string, ...command: readonly string[]): Promise<string> {
    const id = (await this.compose('ps', '--quiet', service)).trim();
    return await this.runtime.cli('exec', id, ...command);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await teardown(
      `the Compose project ${this.name}`,
      () => this.compose('down', '--volumes', '--timeout', '0'),
      () => removeFolder(this.folder),
    );
  }

  /** Runs in the folder of the file: some versions of Compose resolve its paths against that, others against the cwd. */
  private async compose(...args: readonly string[]): Promise<string> {
    const variables = Object.entries({ ...this.variables, DOCKER_HOST: this.runtime.address });
    const environment = variables.map(([name, value]) => `${name}=${value}`);
    const options = ['--file', this.file, '--project-name', this.name];
    return await run('env', '-C', this.folder, ...environment, 'docker-compose', ...options, ...args);
  }
}
