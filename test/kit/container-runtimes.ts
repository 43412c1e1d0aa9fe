import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Child } from './child.js';
import { eventually } from './eventually.js';
import { NetworkNamespace } from './namespace.js';
import { missingPrograms, type RequiredProgram } from './required-programs.js';
import { run } from './run.js';
import { removeFolder, teardown } from './teardown.js';

const IMAGE = 'localhost/packetflix-test';
const BUSYBOXES = ['/bin/busybox', '/usr/bin/busybox'];
const REQUIRED: readonly RequiredProgram[] = [
  ['docker', 'docker.io'],
  ['dockerd', 'docker.io'],
  ['podman', 'podman'],
  ['busybox', 'busybox-static'],
];
const DAEMON_STOP_TIMEOUT_MS = 20_000;
/** Arguments of timeout(1): daemons that a killed test run has left end after 1800 s, by SIGKILL 10 s later. */
const TIME_LIMIT = ['--kill-after=10', '1800'];
/** Without a bridge and firewall rules, so that the network of the host is not changed. */
const DOCKERD_OPTIONS = ['--bridge', 'none', '--iptables=false', '--ip-masq=false'];

/** How images are stored: `vfs` works on every file system; `best` leaves the choice to the runtime. */
export interface RuntimeOptions {
  readonly storage?: 'vfs' | 'best';
}

export interface PodmanOptions extends RuntimeOptions {
  /** Whether it serves its API on a socket, which is not needed to run containers. Default: true. */
  readonly service?: boolean;
  /** Path of a seccomp profile for all its containers, since clients of its socket cannot pass one. */
  readonly seccompProfile?: string;
}

/** A real container runtime with a temporary folder for its data. It needs no image registry. */
export class ContainerRuntime implements AsyncDisposable {
  private constructor(
    readonly type: 'docker' | 'podman',
    private readonly folder: string,
    private readonly command: readonly string[],
    private readonly daemon?: Child,
  ) {}

  static async docker({ storage = 'vfs' }: RuntimeOptions = {}): Promise<ContainerRuntime> {
    const folder = mkdtempSync(join(tmpdir(), 'pf-docker-'));
    const daemon = await Child.start('timeout', [...TIME_LIMIT, ...dockerd(folder, storage)]);
    return await new ContainerRuntime('docker', folder, dockerCommand(folder), daemon).ready();
  }

  static async podman(options: PodmanOptions = {}): Promise<ContainerRuntime> {
    const { service = true, storage = 'vfs', seccompProfile } = options;
    const folder = mkdtempSync(join(tmpdir(), 'pf-podman-'));
    // Podman's default limits are higher than some hosts allow even to root.
    const limits = 'default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]';
    const seccomp = seccompProfile === undefined ? '' : `seccomp_profile = ${JSON.stringify(seccompProfile)}`;
    writeFileSync(join(folder, 'containers.conf'), `[containers]\n${limits}\n${seccomp}\n`);
    const command = ['env', `CONTAINERS_CONF=${folder}/containers.conf`, 'podman'];
    const places = ['root', 'runroot', 'tmpdir'].flatMap((place) => [`--${place}`, join(folder, place)]);
    const podman = [...command, ...places, ...storageOption(storage)];
    const serve = [...podman, 'system', 'service', '--time', '0', `unix://${folder}/podman.sock`];
    const daemon = service ? await Child.start('timeout', [...TIME_LIMIT, ...serve]) : undefined;
    return await new ContainerRuntime('podman', folder, podman, daemon).ready();
  }

  /** Starts a Docker daemon in a container of this runtime; the container gets the given name. */
  async dockerInside(name: string): Promise<ContainerRuntime> {
    const folder = mkdtempSync(join(tmpdir(), 'pf-inner-'));
    const privileges = [
      '--cap-add',
      'ALL',
      '--cap-drop',
      'SYS_RESOURCE',
      '--device-cgroup-rule',
      'a *:* rwm',
    ];
    const unconfined = ['seccomp', 'apparmor'].flatMap((what) => ['--security-opt', `${what}=unconfined`]);
    const place = ['--pid', 'host', '--network', 'host', '--volume', '/:/host'];
    const program = ['/bin/busybox', 'chroot', '/host', ...dockerd(folder, 'vfs')];
    const options = [...privileges, ...unconfined, ...place];
    await this.cli('run', '--detach', '--name', name, ...options, IMAGE, ...program);
    return await new ContainerRuntime('docker', folder, dockerCommand(folder)).ready();
  }

  /** The address of its API, as a value of DOCKER_HOST. */
  get address(): string {
    return `unix://${this.folder}/${this.type}.sock`;
  }

  cli(...args: readonly string[]): Promise<string> {
    const [program = '', ...first] = this.command;
    return run(program, ...first, ...args);
  }

  /** Starts the command-line client without waiting for its end. */
  child(...args: readonly string[]): Promise<Child> {
    const [program = '', ...first] = this.command;
    return Child.start(program, [...first, ...args]);
  }

  /** Builds an image with the classic builder, in the network of the host. */
  async build(folder: string, ...options: readonly string[]): Promise<void> {
    const [program = '', ...first] = this.command;
    const args = [...first, 'build', '--network', 'host', ...options, folder];
    await using builder = await Child.start('env', ['DOCKER_BUILDKIT=0', program, ...args]);
    await builder.succeeded();
  }

  /** Starts a container with its own network namespace, which only runs sleep(1). */
  async start(name: string, ...options: readonly string[]): Promise<void> {
    const program = ['/bin/sleep', '100000'];
    await this.cli('run', '--detach', '--name', name, '--network', 'none', ...options, IMAGE, ...program);
  }

  async pidOf(name: string): Promise<number> {
    return Number(await this.cli('inspect', '--format', '{{.State.Pid}}', name));
  }

  /** Returns the network namespace of a container after adding a wire to it. */
  async wiredNamespaceOf(name: string): Promise<NetworkNamespace> {
    const path = `/proc/${await this.pidOf(name)}/ns/net`;
    const namespace = await NetworkNamespace.heldBy({ path, release: () => Promise.resolve() });
    await namespace.addWire('eth0', 'eth1');
    return namespace;
  }

  /** Reports failures and never throws: a folder that cannot be removed says nothing about the service. */
  async [Symbol.asyncDispose](): Promise<void> {
    await teardown(
      `${this.type} in ${this.folder}`,
      () => this.removeContainers(),
      () => this.stopDaemon(),
      () => removeFolder(this.folder),
    );
  }

  /** Removes all containers, for the next user of a shared runtime. */
  async removeContainers(): Promise<void> {
    const ids = (await this.cli('ps', '--all', '--quiet')).split('\n').filter((id) => id !== '');
    // Docker kills the processes at once, Podman waits for them first.
    const options = this.type === 'podman' ? ['--force', '--time', '0'] : ['--force'];
    if (ids.length > 0) await this.cli('rm', ...options, ...ids);
  }

  private async stopDaemon(): Promise<void> {
    if (!this.daemon) return;
    this.daemon.signal('SIGTERM');
    const ended = await Promise.race([
      this.daemon.ended,
      sleep(DAEMON_STOP_TIMEOUT_MS, undefined, { ref: false }),
    ]);
    if (ended !== undefined) return;
    await this.daemon[Symbol.asyncDispose]();
    throw new Error(`the daemon did not end on SIGTERM:\n${this.daemon.stderr.slice(-2000)}`);
  }

  private async ready(): Promise<this> {
    try {
      await eventually('the runtime to answer', () => this.cli('version'), 20_000);
      const files = imageFolder(this.folder);
      await run('sh', '-c', `tar -C ${files} -c . | ${this.command.join(' ')} import - ${IMAGE}`);
      return this;
    } catch (cause) {
      await this[Symbol.asyncDispose]();
      throw new Error(`${this.type} does not work on this machine:\n${this.daemon?.stderr.slice(-2000)}`, {
        cause,
      });
    }
  }
}

function dockerd(folder: string, storage: RuntimeOptions['storage']): string[] {
  const places = ['--data-root', `${folder}/data`, '--exec-root', `${folder}/exec`];
  const files = ['--host', `unix://${folder}/docker.sock`, '--pidfile', `${folder}/docker.pid`];
  return ['dockerd', ...files, ...places, ...DOCKERD_OPTIONS, ...storageOption(storage)];
}

function storageOption(storage: RuntimeOptions['storage']): string[] {
  return storage === 'vfs' ? ['--storage-driver', 'vfs'] : [];
}

function dockerCommand(folder: string): string[] {
  return ['docker', '--host', `unix://${folder}/docker.sock`];
}

/** Makes the root file system of the test image, which contains busybox only. */
function imageFolder(parent: string): string {
  const folder = join(parent, 'image');
  mkdirSync(join(folder, 'bin'), { recursive: true });
  cpSync(BUSYBOXES.find((path) => existsSync(path)) ?? '', join(folder, 'bin/busybox'), {
    dereference: true,
  });
  for (const name of ['sh', 'sleep']) symlinkSync('busybox', join(folder, 'bin', name));
  return folder;
}

/** The reason why tests cannot use the runtimes, or undefined: starts both of them and a container in each. */
export async function whyRuntimesCannotRun(): Promise<string | undefined> {
  // Both take seconds to start, so the first test file of a run saves the result for the others.
  if (process.getuid?.() !== 0) return 'only root may start container runtimes';
  const folder = process.env['PACKETFLIX_TEST_RUN'];
  if (folder === undefined) return await findObstacle();
  const savedResult = join(folder, 'container-runtimes');
  if (!existsSync(savedResult)) writeFileSync(savedResult, (await findObstacle()) ?? '');
  const obstacle = readFileSync(savedResult, 'utf8');
  return obstacle === '' ? undefined : obstacle;
}

async function findObstacle(): Promise<string | undefined> {
  const missing = missingPrograms(REQUIRED);
  if (missing.length > 0) return missing.join('\n  ');
  for (const start of [() => ContainerRuntime.docker(), () => ContainerRuntime.podman()]) {
    try {
      await using runtime = await start();
      await runtime.start('probe');
    } catch (error) {
      const { message, cause } = error as Error;
      return [message, cause instanceof Error ? cause.message : ''].join('\n  ');
    }
  }
  return undefined;
}
