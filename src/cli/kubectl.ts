import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';

/** The gateway, or a single service, in a cluster. */
export interface ClusterService {
  readonly namespace: string;
  readonly name: string;
  readonly port: number;
  /** Of the kubeconfig; absent: the current one. */
  readonly context?: string | undefined;
  /** Where kubectl runs: the variable KUBECONFIG may have relative paths. */
  readonly directory: string;
}

/** How long kubectl may take to end. */
const END_TIMEOUT_MS = 2_000;
/** How long after a broken connection kubectl may take to say that it has ended. */
const BREAK_TIMEOUT_MS = 500;
const NOT_FOUND = 127;
const NOT_EXECUTABLE = 126;

/**
 * Becomes kubectl, and leaves a process that ends it when the pipe at descriptor 3 is closed without a line: then this
 * client has ended, even if by SIGKILL.
 */
const UNTIL_CLIENT_ENDS = '{ read -r _ || kill $$; } <&3 >/dev/null & exec "$@" 3<&-';

function program(): string {
  return process.env['KUBECTL'] || 'kubectl'; // empty: not set
}

/** A running `kubectl port-forward`, with the user's own rights. Its messages go to standard error. */
export class PortForward {
  /** Settles when kubectl has ended. */
  private readonly ended: Promise<void>;

  private constructor(
    private readonly child: ChildProcess,
    /** On 127.0.0.1. */
    readonly port: number,
  ) {
    this.ended = hasEnded(child) ? Promise.resolve() : once(child, 'exit').then(() => undefined);
  }

  /** @throws Error when kubectl is missing, or cannot reach the service */
  static async to({ namespace, name, port, context, directory }: ClusterService): Promise<PortForward> {
    const target = ['--namespace', namespace, `service/${name}`, `:${port}`];
    const command = [
      program(),
      'port-forward',
      '--address=127.0.0.1',
      ...contextArguments(context),
      ...target,
    ];
    const child = spawn('sh', ['-c', UNTIL_CLIENT_ENDS, 'sh', ...command], {
      cwd: directory,
      stdio: ['ignore', 'pipe', 'inherit', 'pipe'],
      detached: true, // Ctrl-C must end the capture first, and then kubectl
    });
    const lifeline = lifelineOf(child);
    lifeline.on('error', () => undefined); // EPIPE: both processes have ended
    child.once('exit', () => lifeline.end('\n'));
    return new PortForward(child, await forwardedPort(child));
  }

  /** Says that kubectl has ended, if that is why a connection broke. */
  async whyBroken(): Promise<string | undefined> {
    await Promise.race([this.ended, sleep(BREAK_TIMEOUT_MS)]);
    return hasEnded(this.child) ? describeEnd(this.child) : undefined;
  }

  async end(): Promise<void> {
    lifelineOf(this.child).end('\n');
    this.child.kill('SIGTERM');
    const timeout = setTimeout(() => this.child.kill('SIGKILL'), END_TIMEOUT_MS);
    await this.ended;
    clearTimeout(timeout);
  }
}

function lifelineOf(child: ChildProcess): Writable {
  return child.stdio[3] as Writable;
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

function describeEnd({ exitCode, signalCode }: ChildProcess): string {
  if (exitCode === NOT_FOUND || exitCode === NOT_EXECUTABLE) return describeMissing();
  return `kubectl port-forward has ended (${signalCode ?? `status ${exitCode}`})`;
}

function describeMissing(): string {
  return `cannot run ${program()}; install kubectl, or set KUBECTL to the path of the program`;
}

/** The port that kubectl has selected. All that it prints is read, or it would wait at some time. */
async function forwardedPort(child: ChildProcess): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  if (child.stdout) {
    createInterface(child.stdout).on('line', (line) => {
      const port = /^Forwarding from 127\.0\.0\.1:(\d+) /.exec(line)?.[1];
      if (port !== undefined) resolve(Number(port));
    });
  }
  child.once('error', reject);
  child.once('exit', () => reject(new Error(describeEnd(child))));
  return await promise;
}

interface ProgramOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly directory: string;
  readonly stdin: 'inherit' | 'ignore';
}

/**
 * Runs kubectl, or a program that kubectl would run, and returns what it prints. Its messages go to standard error.
 *
 * @throws Error when it cannot be run, or fails; what it has printed is not in the message
 */
export async function outputOf(
  command: string,
  args: readonly string[],
  { env = process.env, directory, stdin }: ProgramOptions,
): Promise<string> {
  const child = spawn(command, args, { cwd: directory, env, stdio: [stdin, 'pipe', 'inherit'] });
  const ended = once(child, 'close'); // rejects when it cannot be run
  const [output] = await Promise.all([text(child.stdout), ended]);
  if (child.exitCode === 0) return output;
  throw new Error(`${command} has failed (${child.signalCode ?? `status ${child.exitCode}`})`);
}

/** What kubectl would use of the kubeconfig: one context, its cluster, and its user with all secrets. Certificates are in it, not in files. */
export function kubeconfigOf({ context, directory }: ClusterService): Promise<string> {
  const args = ['config', 'view', '--minify', '--flatten', '--output=json', ...contextArguments(context)];
  return outputOf(program(), args, { directory, stdin: 'ignore' });
}

function contextArguments(context: string | undefined): string[] {
  return context === undefined ? [] : [`--context=${context}`];
}
