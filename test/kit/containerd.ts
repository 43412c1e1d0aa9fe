import { cpSync, existsSync, mkdirSync, mkdtempSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child } from './child.js';
import { eventually } from './eventually.js';
import { missingPrograms } from './required-programs.js';
import { run } from './run.js';
import { removeFolder, teardown } from './teardown.js';

/** Where the discoverer looks for bundles, so a containerd of the tests has to put them there. */
const STATE = '/run/containerd';
const BUSYBOX = ['/bin/busybox', '/usr/bin/busybox'];

/** Why tests cannot start a containerd; undefined: they can. */
export function whyContainerdCannotRun(): string | undefined {
  if (process.getuid?.() !== 0) return 'only root may start containerd';
  // Another one has the folder of the bundles.
  if (existsSync(`${STATE}/containerd.sock`)) return 'a containerd runs already';
  const missing = missingPrograms([
    ['containerd', 'containerd'],
    ['ctr', 'containerd'],
    ['runc', 'runc'],
    ['busybox', 'busybox-static'],
  ]);
  return missing.length > 0 ? missing.join('\n  ') : undefined;
}

/** A real containerd, whose containers run busybox without an image. */
export class Containerd implements AsyncDisposable {
  private readonly started = new Set<string>();

  private constructor(
    private readonly folder: string,
    private readonly daemon: Child,
  ) {}

  static async start(): Promise<Containerd> {
    const folder = mkdtempSync(join(tmpdir(), 'pf-containerd-'));
    const rootfs = join(folder, 'rootfs');
    mkdirSync(join(rootfs, 'bin'), { recursive: true });
    for (const name of ['proc', 'dev', 'sys', 'run']) mkdirSync(join(rootfs, name));
    const busybox = BUSYBOX.find((path) => existsSync(path)) ?? '';
    cpSync(busybox, join(rootfs, 'bin/busybox'), { dereference: true });
    symlinkSync('busybox', join(rootfs, 'bin/sleep'));
    const places = ['--root', join(folder, 'root'), '--state', STATE, '--address', join(folder, 'sock')];
    const daemon = await Child.start('timeout', ['--kill-after=10', '1800', 'containerd', ...places]);
    const containerd = new Containerd(folder, daemon);
    await eventually('containerd to answer', () => containerd.ctr('version'), 20_000);
    return containerd;
  }

  /** Starts a container with its own network namespace. */
  async run(id: string, ...annotations: readonly string[]): Promise<void> {
    const options = annotations.flatMap((each) => ['--annotation', each]);
    const program = ['/bin/sleep', '1000'];
    await this.ctr('run', '--detach', ...options, '--rootfs', join(this.folder, 'rootfs'), id, ...program);
    this.started.add(id);
  }

  /** Kills a container and removes it. */
  async remove(id: string): Promise<void> {
    await this.ctr('task', 'rm', '--force', id);
    await this.ctr('container', 'rm', id);
    this.started.delete(id);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await teardown(
      `containerd in ${this.folder}`,
      async () => {
        for (const id of this.started) await this.remove(id);
      },
      async () => {
        this.daemon.signal('SIGTERM');
        await this.daemon.ended;
      },
      () => removeFolder(this.folder),
    );
  }

  private ctr(...args: readonly string[]): Promise<string> {
    return run('ctr', '--address', join(this.folder, 'sock'), ...args);
  }
}
