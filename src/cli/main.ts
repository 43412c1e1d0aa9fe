import { CaptureClient, reportEnd } from './capture-client.js';
import { parseOptions, UsageExit, type ClientOptions } from './options.js';
import { PacketCounter } from './packet-counter.js';
import { openOutput } from './packet-output.js';
import { Progress } from './progress.js';
import { createRequestUrl } from './request-url.js';

/** npm passes Ctrl-C on to us, and the terminal sends it as well: only what comes later is a second one. */
const SECOND_SIGNAL_AFTER_MS = 1_000;

process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  try {
    const options = parseOptions(argv, process.env['INIT_CWD'] ?? process.cwd());
    if (options.write === '-' && process.stdout.isTTY) {
      console.error('error: packets do not belong on a terminal; use -w FILE, or "-w - | wireshark -k -i -"');
      return 2;
    }
    return await capture(options);
  } catch (error) {
    if (error instanceof UsageExit) return error.status;
    throw error;
  }
}

async function capture(options: ClientOptions): Promise<number> {
  const counter = new PacketCounter();
  const progress = new Progress(counter, process.stderr);
  const client = new CaptureClient(createRequestUrl(options), openOutput(options.write), counter);
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
      // Somebody is tired of waiting for a service, or a reader of our output, that hangs.
      process.exit(1);
    }
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
}
