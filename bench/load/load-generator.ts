import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Child } from '../../test/kit/child.js';
import { run } from '../../test/kit/run.js';
import type { NetworkNamespace } from '../../test/kit/namespace.js';
import { trafgenConfiguration } from './trafgen-configuration.js';

const SENDER_SOURCE = new URL('./sender.c', import.meta.url).pathname;
/** trafgen takes frames up to 2 KiB unless told otherwise. */
const TRAFGEN_USUAL_BYTES = 2_000;

/** What goes over the wire. */
export interface Load {
  readonly frameBytes: number;
  /** 0: as fast as it goes. */
  readonly packetsPerSecond: number;
  readonly seconds: number;
}

export type GeneratorName = 'sender' | 'trafgen';

/** Makes load that ends by itself, whatever happens to the benchmark. */
export class LoadGenerator implements Disposable {
  private readonly folder = mkdtempSync(join(tmpdir(), 'packetflix-bench-'));

  private constructor(readonly name: GeneratorName) {}

  /** Compiles the sender, where that is what is wanted. */
  static async create(name: GeneratorName): Promise<LoadGenerator> {
    const generator = new LoadGenerator(name);
    if (name === 'sender') {
      await run('cc', '-O2', '-Wall', '-o', join(generator.folder, 'sender'), SENDER_SOURCE);
    }
    return generator;
  }

  /** Comes back when the load begins. */
  async start(namespace: NetworkNamespace, interfaceName: string, load: Load): Promise<Child> {
    if (this.name === 'trafgen') {
      return this.startTrafgen(namespace, interfaceName, load);
    }
    const { frameBytes, packetsPerSecond, seconds } = load;
    const numbers = [frameBytes, packetsPerSecond, seconds].map(String);
    const child = await namespace.start(join(this.folder, 'sender'), interfaceName, ...numbers);
    await child.saying(/sending/);
    return child;
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  private startTrafgen(namespace: NetworkNamespace, interfaceName: string, load: Load): Promise<Child> {
    const configuration = join(this.folder, `frame-${load.frameBytes}.cfg`);
    writeFileSync(configuration, trafgenConfiguration(load.frameBytes));
    const rate = load.packetsPerSecond ? ['--rate', `${load.packetsPerSecond}pps`] : [];
    const jumbo = load.frameBytes > TRAFGEN_USUAL_BYTES ? ['--jumbo-support'] : [];
    const command = ['trafgen', '-o', interfaceName, '-i', configuration, '--cpus', '1', ...rate, ...jumbo];
    return namespace.start('timeout', '-s', 'INT', String(load.seconds), ...command);
  }
}
