import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Child } from '../../test/kit/child.js';
import { run } from '../../test/kit/run.js';
import type { NetworkNamespace } from '../../test/kit/namespace.js';

const SENDER_SOURCE = new URL('./sender.c', import.meta.url).pathname;
/** trafgen needs an option for larger frames. */
const TRAFGEN_DEFAULT_MAX_BYTES = 2_000;
const ETHERNET_BYTES = 14;
const IPV4_BYTES = 20;
const UDP_BYTES = 8;

/** Packets to send. */
export interface Load {
  readonly frameBytes: number;
  /** 0: full speed. */
  readonly packetsPerSecond: number;
  readonly seconds: number;
}

export type GeneratorName = 'sender' | 'trafgen';

/** Sends packets. Each load has a time limit, so that it ends even if the benchmark is killed. */
export class LoadGenerator implements Disposable {
  private readonly folder = mkdtempSync(join(tmpdir(), 'packetflix-bench-'));

  private constructor(readonly name: GeneratorName) {}

  /** Compiles the sender if that generator is selected. */
  static async create(name: GeneratorName): Promise<LoadGenerator> {
    const generator = new LoadGenerator(name);
    if (name === 'sender') {
      await run('cc', '-O2', '-Wall', '-o', join(generator.folder, 'sender'), SENDER_SOURCE);
    }
    return generator;
  }

  /** Resolves when the load begins. */
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
    const jumbo = load.frameBytes > TRAFGEN_DEFAULT_MAX_BYTES ? ['--jumbo-support'] : [];
    const command = ['trafgen', '-o', interfaceName, '-i', configuration, '--cpus', '1', ...rate, ...jumbo];
    return namespace.start('timeout', '-s', 'INT', String(load.seconds), ...command);
  }
}

/** The same frame that sender.c sends, in the language of trafgen(8). */
function trafgenConfiguration(frameBytes: number): string {
  const ipBytes = frameBytes - ETHERNET_BYTES;
  const datagramBytes = ipBytes - IPV4_BYTES;
  return `{
  0x02, 0, 0, 0, 0, 2, 0x02, 0, 0, 0, 0, 1, 0x08, 0x00,
  0x45, 0, c16(${ipBytes}), c16(0), c16(0), 64, 17, csumip(14, 33), 192, 0, 2, 1, 192, 0, 2, 2,
  c16(40000), c16(9), c16(${datagramBytes}), c16(0),
  fill(0x5a, ${datagramBytes - UDP_BYTES})
}
`;
}
