import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child } from './child.js';
import { eventually } from './eventually.js';
import { NetworkNamespace } from './namespace.js';
import { run } from './run.js';

const IMAGE = 'localhost/packetflix-test';
const BUSYBOXES = ['/bin/busybox', '/usr/bin/busybox'];
const REQUIRED: readonly (readonly [program: string, debianPackage: string])[] = [
  ['docker', 'docker.io'],
  ['dockerd', 'docker.io'],
  ['podman', 'podman'],
  ['busybox', 'busybox-static'],
];
/** Should a test run be killed, an engine ends by itself after this many seconds. */
const LONGEST_RUN = ['--kill-after=10', '1800'];
/** Without a bridge and firewall rules, so that they are in nobody's way. */
const DOCKERD_OPTIONS = ['--bridge', 'none', '--iptables=false', '--ip-masq=false'];

/** How an engine keeps its images: `vfs` works wherever files do; without it the engine takes the best it can. */
export interface EngineOptions {
  readonly storage?: 'vfs' | 'best';
}

export interface PodmanOptions extends EngineOptions {
  /** Whether it listens at a socket, which it need not do to run containers. */
  readonly service?: boolean;
  /** A seccomp profile for all its containers: clients of its socket cannot bring one along. */
  readonly seccompProfile?: string;
}

/** A real container engine with everything that it has in a folder of its own, and so without a registry. */
export class ContainerEngine implements AsyncDisposable {
  private constructor(
    readonly type: 'docker' | 'podman',
    private readonly folder: string,
    private readonly command: readonly string[],
    private readonly daemon?: Child,
  ) {}

  static async docker({ storage = 'vfs' }: EngineOptions = {}): Promise<ContainerEngine> {
    const folder = mkdtempSync(join(tmpdir(), 'pf-docker-'));
    const daemon = await Child.start('timeout', [...LONGEST_RUN, ...dockerd(folder, storage)]);
    return await new ContainerEngine('docker', folder, dockerCommand(folder), daemon).ready();
  }

  static async podman(options: PodmanOptions = {}): Promise<ContainerEngine> {
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
    return await new ContainerEngine('podman', folder, podman, daemon).ready();
  }

  /** A Docker engine in a container of this one, which is given that name. */
  async dockerInside(name: string): Promise<ContainerEngine> {
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
    return await new ContainerEngine('docker', folder, dockerCommand(folder)).ready();
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

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      const ids = (await this.cli('ps', '--all', '--quiet')).split('\n').filter((id) => id !== '');
      // Docker kills at once, Podman waits first.
      const options = this.type === 'podman' ? ['--force', '--time', '0'] : ['--force'];
      if (ids.length > 0) await this.cli('rm', ...options, ...ids);
    } finally {
      this.daemon?.signal('SIGTERM');
      await this.daemon?.ended;
      await unmountBelow(this.folder);
      rmSync(this.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
    }
  }

  private async ready(): Promise<this> {
    try {
      await eventually('the engine to answer', () => this.cli('version'), 20_000);
      const files = imageFolder(this.folder);
      await run('sh', '-c', `tar -C ${files} -c . | ${this.command.join(' ')} import - ${IMAGE}`);
      return this;
    } catch (cause) {
      await this[Symbol.asyncDispose]().catch(() => undefined);
      throw new Error(`${this.type} does not work here:\n${this.daemon?.stderr.slice(-2000)}`, { cause });
    }
  }
}

/** Docker leaves a bind mount of the host's network namespace behind. */
async function unmountBelow(folder: string): Promise<void> {
  const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n');
  const places = mounts.map((line) => line.split(' ')[1] ?? '').filter((place) => place.startsWith(folder));
  for (const place of places.reverse()) await run('umount', place);
}

function dockerd(folder: string, storage: EngineOptions['storage']): string[] {
  const places = ['--data-root', `${folder}/data`, '--exec-root', `${folder}/exec`];
  const files = ['--host', `unix://${folder}/docker.sock`, '--pidfile', `${folder}/docker.pid`];
  return ['dockerd', ...files, ...places, ...DOCKERD_OPTIONS, ...storageOption(storage)];
}

function storageOption(storage: EngineOptions['storage']): string[] {
  return storage === 'vfs' ? ['--storage-driver', 'vfs'] : [];
}

function dockerCommand(folder: string): string[] {
  return ['docker', '--host', `unix://${folder}/docker.sock`];
}

/** All that a container needs that does nothing: one static program. */
function imageFolder(parent: string): string {
  const folder = join(parent, 'image');
  mkdirSync(join(folder, 'bin'), { recursive: true });
  cpSync(BUSYBOXES.find((path) => existsSync(path)) ?? '', join(folder, 'bin/busybox'), {
    dereference: true,
  });
  for (const name of ['sh', 'sleep']) symlinkSync('busybox', join(folder, 'bin', name));
  return folder;
}

/** Why the engines cannot be tested with; found out by trying. */
export async function whyEnginesCannotRun(): Promise<string | undefined> {
  const lacking = REQUIRED.filter(([program]) => spawnSync('which', [program]).status !== 0);
  if (lacking.length > 0) {
    return lacking.map(([program, name]) => `there is no ${program} (Debian package ${name})`).join('\n  ');
  }
  for (const start of [() => ContainerEngine.docker(), () => ContainerEngine.podman()]) {
    try {
      await using engine = await start();
      await engine.start('probe');
    } catch (error) {
      const { message, cause } = error as Error;
      return [message, cause instanceof Error ? cause.message : ''].join('\n  ');
    }
  }
  return undefined;
}
