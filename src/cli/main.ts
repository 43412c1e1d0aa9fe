import { CaptureClient, reportEnd } from './capture-client.js';
import { parseOptions, type ClientOptions } from './options.js';
import { openOutput, StreamOutput, type PacketOutput } from './packet-output.js';
import { PacketCounter, Progress } from './progress.js';
import { listTargets } from './target-list.js';
import { startWireshark } from './wireshark.js';

/** One Ctrl-C arrives twice: from the terminal, and forwarded by npm. A later signal is a second one. */
const SECOND_SIGNAL_AFTER_MS = 1_000;

process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  const commandLine = parseOptions(argv, process.env['INIT_CWD'] ?? process.cwd());
  switch (commandLine.kind) {
    case 'help':
      process.stdout.write(commandLine.text);
      return 0;
    case 'error':
      console.error(`error: ${commandLine.message}\nSee --help.`);
      return 2;
    case 'options':
      return await run(commandLine.options);
  }
}

async function run(options: ClientOptions): Promise<number> {
  try {
    switch (options.command) {
      case 'list':
        await listTargets(options, process.stdout);
        return 0;
      case 'wireshark':
        return await captureIntoWireshark(options);
      case 'capture':
        return await capture(options);
    }
  } catch (error) {
    console.error(`error: ${messageOf(error)}`);
    return 1;
  }
}

/** The message of `fetch` says nothing, its cause does. */
function messageOf(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error ? `${message}: ${cause.message}` : message;
}

function capture(options: ClientOptions): Promise<number> | number {
  if (options.write === '-' && process.stdout.isTTY) {
    console.error(
      'error: refusing to write packets to a terminal; use -w FILE, or "-w - | wireshark -k -i -"',
    );
    return 2;
  }
  return captureInto(openOutput(options.write), options);
}

/** Ends when Wireshark has been closed, however the capture ended. */
async function captureIntoWireshark(options: ClientOptions): Promise<number> {
  const { input, ended } = await startWireshark(options.title);
  const output = new StreamOutput(() => input);
  output.write(new Uint8Array(0)); // from now on it notices when Wireshark is closed
  const [status] = await Promise.all([captureInto(output, options), ended]);
  return status;
}

async function captureInto(output: PacketOutput, { url, write, command }: ClientOptions): Promise<number> {
  const counter = new PacketCounter();
  const progress = new Progress(counter, process.stderr, command === 'capture' && write === undefined);
  const client = new CaptureClient(url, output, counter);
  stopOnSignals(client);
  client.onOpen(() => progress.start());
  const end = await client.wait();
  progress.stop();
  return reportEnd(end, process.stderr);
}

function stopOnSignals(client: CaptureClient): void {
  let firstAtMs: number | undefined;
  const onSignal = (): void => {
    if (firstAtMs === undefined) {
      firstAtMs = performance.now();
      client.stop();
    } else if (performance.now() - firstAtMs >= SECOND_SIGNAL_AFTER_MS) {
      // The service, or the reader of our output, hangs, and the user does not want to wait.
      process.exit(1);
    }
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
}
