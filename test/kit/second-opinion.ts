import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child } from './child.js';
import type { NetworkNamespace } from './namespace.js';
import { type Packet, packetsOf, readPcapng } from './pcapng.js';
import { run } from './run.js';

/** A file that `using` removes. */
export class TemporaryFile implements Disposable {
  private readonly folder = mkdtempSync(join(tmpdir(), 'packetflix-test-'));
  readonly path: string;

  constructor(name: string) {
    this.path = join(this.folder, name);
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A recording by dumpcap on an interface, with nanosecond timestamps. */
export class Recording implements AsyncDisposable {
  private constructor(
    private readonly child: Child,
    private readonly file: TemporaryFile,
  ) {}

  /** Resolves when dumpcap is recording; dumpcap ends after `count` packets. */
  static async start(namespace: NetworkNamespace, interfaceName: string, count: number): Promise<Recording> {
    const file = new TemporaryFile('dumpcap.pcapng');
    const options = ['-q', '-i', interfaceName, '-B', '64', '-c', String(count), '-w', file.path];
    const child = await namespace.start('dumpcap', ...options);
    await child.saying(/File: /);
    return new Recording(child, file);
  }

  /** Waits until dumpcap has ended and returns the packets that it recorded. */
  async packets(): Promise<Packet[]> {
    await this.child.succeeded();
    return packetsOf(readPcapng(readFileSync(this.file.path)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.child[Symbol.asyncDispose]();
    this.file[Symbol.dispose]();
  }
}

/** Reads a stream with tshark and capinfos. Throws when one of them complains or their packet counts differ. */
export async function readWithWireshark(stream: Buffer): Promise<{ packets: number; interfaces: number }> {
  using file = new TemporaryFile('stream.pcapng');
  await writeFile(file.path, stream);
  if (statSync(file.path).size !== stream.length) {
    throw new Error('the stream could not be written');
  }
  const frames = await runWithoutComplaint(
    'tshark',
    '-n',
    '-r',
    file.path,
    '-T',
    'fields',
    '-e',
    'frame.number',
  );
  const report = await runWithoutComplaint('capinfos', '-c', '-I', '-M', file.path);
  const packets = frames.split('\n').filter(Boolean).length;
  const counted = Number(/Number of packets:\s*(\d+)/.exec(report)?.[1]);
  if (packets !== counted) {
    throw new Error(`tshark reads ${packets} packets, capinfos ${counted}`);
  }
  return { packets, interfaces: report.match(/Interface #\d+ info:/g)?.length ?? 0 };
}

async function runWithoutComplaint(command: string, ...args: readonly string[]): Promise<string> {
  const child = await Child.start(command, args, { ...process.env, LC_ALL: 'C' });
  const output = await child.succeeded();
  // tshark warns when root runs it, and reports a truncated file on standard error although its status is 0.
  const complaints = child.stderr.split('\n').filter((line) => line && !/^Running as user "root"/.test(line));
  if (complaints.length) {
    throw new Error(`${command} printed errors: ${complaints.join('\n')}`);
  }
  return output;
}

/** Returns the values of these fields for each packet, as tshark dissects the stream. */
export async function tsharkFields(stream: Buffer, ...fields: readonly string[]): Promise<string[][]> {
  using file = new TemporaryFile('stream.pcapng');
  await writeFile(file.path, stream);
  const output = await run(
    'tshark',
    '-n',
    '-r',
    file.path,
    '-T',
    'fields',
    ...fields.flatMap((f) => ['-e', f]),
  );
  return output
    .split('\n')
    .filter(Boolean)
    .map((line) => line.split('\t'));
}
