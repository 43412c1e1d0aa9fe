import { spawnSync } from 'node:child_process';
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
import { run } from './run.js';
import { removeFolder, teardown } from './teardown.js';

const IMAGE = 'localhost/packetflix-test';
const BUSYBOXES = ['/bin/busybox', '/usr/bin/busybox'];
const REQUIRED: readonly (readonly [program: string, debianPackage: string])[] = [
  ['docker', 'docker.io'],
  ['dockerd', 'docker.io'],
  ['podman', 'podman'],
  ['busybox', 'busybox-static'],
];
/** When a test run is killed, its daemons end by themselves after 1800 s, at most 10 s later by SIGKILL. */
const DAEMON_STOP_TIMEOUT_MS = 20_000;
const LONGEST_RUN = ['--kill-after=10', '1800'];
/** No bridge and no firewall rules: the network of the machine stays as it is. */
const DOCKERD_OPTIONS = ['--bridge', 'none', '--iptables=false', '--ip-masq=false'];

/** How images are stored: `vfs` works on every file system; `best` leaves the choice to the runtime. */
export interface RuntimeOptions {
  readonly storage?: 'vfs' | 'best';
}

export interface PodmanOptions extends RuntimeOptions {
  /** Whether it serves its API at a socket, which is not needed to run containers. */
  readonly service?: boolean;
  /** A seccomp profile for all its containers: clients of its socket cannot bring one along. */
  readonly seccompProfile?: string;
}

/** A real container runtime that keeps everything in a folder of its own and needs no registry. */
export class ContainerRuntime implements AsyncDisposable {
  private constructor(
    readonly type: 'docker' | 'podman',
    private readonly folder: string,
    private readonly command: readonly string[],
    private readonly daemon?: Child,
  ) {}

  static async docker({ storage = 'vfs' }: RuntimeOptions = {}): Promise<ContainerRuntime> {
    const folder = mkdtempSync(join(tmpdir(), 'pf-docker-'));
    const daemon = await Child.start('timeout', [...LONGEST_RUN, ...dockerd(folder, storage)]);
    return await new ContainerRuntime('docker', folder, dockerCommand(folder), daemon).ready();
  }

  static async podman(options: PodmanOptions = {}): Promise<ContainerRuntime> {
    const { service = true, storage = 'vfs', seccompProfile } = options;
    const folder = mkdtempSync(join(tmpdir(), 'pf-podman-'));
    // Podman's own default is more than some machines allow even to root.
    const limits = 'default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]';
    const seccomp = seccompProfile === undefined ? '' : `seccomp_profile = ${JSON.stringify(seccompProfile)}`;
    writeFileSync(join(folder, 'containers.conf'), `[containers]\n${limits}\n${seccomp}\n`);
    const command = ['env', `CONTAINERS_CONF=${folder}/containers.conf`, 'podman'];
    const places = ['root', 'runroot', 'tmpdir'].flatMap((place) => [`--${place}`, join(folder, place)]);
    const podman = [...command, ...places, ...storageOption(storage)];
    const serve = [...podman, 'system', 'service', '--time', '0', `unix://${folder}/podman.sock`];
    const daemon = service ? await Child.start('timeout', [...LONGEST_RUN, ...serve]) : undefined;
    return await new ContainerRuntime('podman', folder, podman, daemon).ready();
  }

  /** A Docker daemon in a container of this runtime; the container is given that name. */
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

  /** Where it listens, as DOCKER_HOST has it. */
  get address(): string {
    return `unix://${this.folder}/${this.type}.sock`;
  }

  cli(...args: readonly string[]): Promise<string> {
    const [program = '', ...first] = this.command;
    return run(program, ...first, ...args);
  }

  /** The same, as a process that may take long. */
  child(...args: readonly string[]): Promise<Child> {
    const [program = '', ...first] = this.command;
    return Child.start(program, [...first, ...args]);
  }

  /** Builds an image with the classic builder; what runs in it has the machine's network. */
  async build(folder: string, ...options: readonly string[]): Promise<void> {
    const [program = '', ...first] = this.command;
    const args = [...first, 'build', '--network', 'host', ...options, folder];
    await using builder = await Child.start('env', ['DOCKER_BUILDKIT=0', program, ...args]);
    await builder.succeeded();
  }

  /** Starts a container that has a network namespace of its own and does nothing. */
  async start(name: string, ...options: readonly string[]): Promise<void> {
    const program = ['/bin/sleep', '100000'];
    await this.cli('run', '--detach', '--name', name, '--network', 'none', ...options, IMAGE, ...program);
  }

  async pidOf(name: string): Promise<number> {
    return Number(await this.cli('inspect', '--format', '{{.State.Pid}}', name));
  }

  /** The network namespace of a container, with a wire in it. */
  async wiredNamespaceOf(name: string): Promise<NetworkNamespace> {
    const path = `/proc/${await this.pidOf(name)}/ns/net`;
    const namespace = await NetworkNamespace.heldBy({ path, release: () => Promise.resolve() });
    await namespace.addWire('eth0', 'eth1');
    return namespace;
  }

  /** Reports what fails and never throws: whether a folder can be removed says nothing about the service. */
  async [Symbol.asyncDispose](): Promise<void> {
    await teardown(
      `${this.type} in ${this.folder}`,
      () => this.removeContainers(),
      () => this.stopDaemon(),
      () => removeFolder(this.folder),
    );
  }

  /** Removes all containers; those who share the runtime begin with none. */
  async removeContainers(): Promise<void> {
    const ids = (await this.cli('ps', '--all', '--quiet')).split('\n').filter((id) => id !== '');
    // Docker kills at once, Podman waits first.
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
      throw new Error(`${this.type} does not work here:\n${this.daemon?.stderr.slice(-2000)}`, { cause });
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

/** The root file system of a container that does nothing: one static program. */
function imageFolder(parent: string): string {
  const folder = join(parent, 'image');
  mkdirSync(join(folder, 'bin'), { recursive: true });
  cpSync(BUSYBOXES.find((path) => existsSync(path)) ?? '', join(folder, 'bin/busybox'), {
    dereference: true,
  });
  for (const name of ['sh', 'sleep']) symlinkSync('busybox', join(folder, 'bin', name));
  return folder;
}

/** Why tests cannot use the runtimes here, undefined when they can: it starts both and a container in each. */
export async function whyRuntimesCannotRun(): Promise<string | undefined> {
  // Both take seconds to start: the first test file of a run notes the result for the others.
  const folder = process.env['PACKETFLIX_TEST_RUN'];
  if (folder === undefined) return await findObstacle();
  const note = join(folder, 'container-runtimes');
  if (!existsSync(note)) writeFileSync(note, (await findObstacle()) ?? '');
  const obstacle = readFileSync(note, 'utf8');
  return obstacle === '' ? undefined : obstacle;
}

async function findObstacle(): Promise<string | undefined> {
  const lacking = REQUIRED.filter(([program]) => spawnSync('which', [program]).status !== 0);
  if (lacking.length > 0) {
    return lacking.map(([program, name]) => `there is no ${program} (Debian package ${name})`).join('\n  ');
  }
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
