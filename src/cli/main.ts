import { CaptureClient, reportEnd, type CaptureEnd } from './capture-client.js';
import { kubeconfigToken } from './kubeconfig-token.js';
import { PortForward, type ClusterService } from './kubectl.js';
import { parseOptions, type ClientOptions } from './options.js';
import { openOutput, StreamOutput, type PacketOutput } from './packet-output.js';
import { PacketCounter, Progress } from './progress.js';
import { accessTo, givenToken, type ServiceAccess } from './service-access.js';
import { listTargets, urlBeside } from './target-list.js';
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
  if (options.write === '-' && process.stdout.isTTY) {
    console.error(
      'error: refusing to write packets to a terminal; use -w FILE, or "-w - | wireshark -k -i -"',
    );
    return 2;
  }
  try {
    const token = givenToken(options.tokenFile);
    if (options.cluster) return await runInCluster(options, options.cluster, token);
    const { username, password } = options.url;
    if (token !== undefined && `${username}${password}` !== '') {
      throw new Error('give either a token, or user and password in --url');
    }
    return await runCommand(options, accessTo(options.url, token));
  } catch (error) {
    console.error(`error: ${messageOf(error)}`);
    return 1;
  }
}

async function runInCluster(
  options: ClientOptions,
  cluster: ClusterService,
  token: string | undefined,
): Promise<number> {
  const forward = await PortForward.to(cluster);
  try {
    const url = new URL(options.url);
    url.port = String(forward.port);
    const access = accessTo(url, token ?? (await tokenIfWanted(url, cluster)));
    return await runCommand(options, access, forward);
  } catch (error) {
    const why = await forward.whyBroken();
    throw why === undefined ? error : new Error(why, { cause: error });
  } finally {
    await forward.end();
  }
}

/** The token of the kubeconfig is good for the whole cluster: only a service that asks for one gets it. */
async function tokenIfWanted(url: URL, cluster: ClusterService): Promise<string | undefined> {
  const response = await fetch(urlBeside(url, 'captures'));
  await response.body?.cancel();
  return response.status === 401 ? await kubeconfigToken(cluster) : undefined;
}

async function runCommand(
  options: ClientOptions,
  access: ServiceAccess,
  forward?: PortForward,
): Promise<number> {
  switch (options.command) {
    case 'list':
      await listTargets(access, options, process.stdout);
      return 0;
    case 'wireshark':
      return await captureIntoWireshark(options, access, forward);
    case 'capture':
      return await captureInto(openOutput(options.write), options, access, forward);
  }
}

/** The message of `fetch` says nothing, its cause does. */
function messageOf(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error ? `${message}: ${cause.message}` : message;
}

/** Ends when Wireshark has been closed, however the capture ended. */
async function captureIntoWireshark(
  options: ClientOptions,
  access: ServiceAccess,
  forward: PortForward | undefined,
): Promise<number> {
  const { input, ended } = await startWireshark(options.title);
  const output = new StreamOutput(() => input);
  output.write(new Uint8Array(0)); // from now on it notices when Wireshark is closed
  const [status] = await Promise.all([captureInto(output, options, access, forward), ended]);
  return status;
}

async function captureInto(
  output: PacketOutput,
  { write, command }: ClientOptions,
  access: ServiceAccess,
  forward: PortForward | undefined,
): Promise<number> {
  const counter = new PacketCounter();
  const progress = new Progress(counter, process.stderr, command === 'capture' && write === undefined);
  const client = new CaptureClient(access, output, counter);
  stopOnSignals(client);
  client.onOpen(() => progress.start());
  const end = await client.wait();
  progress.stop();
  const status = reportEnd(end, process.stderr);
  const why = isBroken(end) ? await forward?.whyBroken() : undefined;
  if (why !== undefined) process.stderr.write(`${why}\n`);
  return status;
}

function isBroken(end: CaptureEnd): boolean {
  return end.kind === 'failed' || (end.kind === 'closed' && end.code === 1006);
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
