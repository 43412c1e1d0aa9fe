import { resolve } from 'node:path';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { findNetnsInode } from './netns-argument.js';

/** What the small client is to do. */
export interface ClientOptions {
  readonly url: string;
  /** Inode number of the network namespace; absent when `container` says what to capture from. */
  readonly netns?: number;
  /** A container object as JSON text, as in the API. */
  readonly container?: string;
  /** Interface names separated by `/`; absent: all. */
  readonly nif?: string;
  readonly filter?: string;
  readonly chaste: boolean;
  /** Absolute path of the file to write, '-' for standard output; absent: packets are only counted. */
  readonly write?: string;
  /** Limits, which the service sees to. */
  readonly duration?: number;
  readonly maxBytes?: number;
  readonly maxPackets?: number;
  readonly snaplen?: number;
}

/** The command line was not understood, or asked for help: all is printed, only the exit status is left. */
export class UsageExit extends Error {
  constructor(readonly status: 0 | 2) {
    super('usage');
    this.name = 'UsageExit';
  }
}

interface RawOptions {
  readonly url: string;
  readonly netns?: number;
  readonly container?: string;
  readonly nif?: string;
  readonly filter?: string;
  readonly chaste?: true;
  readonly write?: string;
  readonly duration?: number;
  readonly maxBytes?: number;
  readonly maxPackets?: number;
  readonly snaplen?: number;
}

/**
 * Reads the command line; throws `UsageExit`. Relative paths are taken from `folder`: npm runs us in the
 * project's folder, not in the user's.
 */
export function parseOptions(argv: readonly string[], folder: string): ClientOptions {
  const command = createCommand(folder);
  try {
    command.parse(argv, { from: 'user' });
    const raw = command.opts<RawOptions>();
    if ((raw.netns === undefined) === (raw.container === undefined)) {
      command.error('error: one of --netns and --container must be given', { exitCode: 2 });
    }
    const { write, chaste, ...same } = raw;
    return {
      ...same,
      chaste: chaste === true,
      ...(write === undefined ? {} : { write: write === '-' ? write : resolve(folder, write) }),
    };
  } catch (error) {
    if (error instanceof CommanderError) throw new UsageExit(error.exitCode === 0 ? 0 : 2);
    throw error;
  }
}

function createCommand(folder: string): Command {
  return new Command('capture')
    .description('Captures live packets from a network namespace, by way of a running packetflix service.')
    .usage('--netns <namespace> [options]')
    .option('--url <url>', 'where the service listens', parseUrl, 'ws://127.0.0.1:5001/capture')
    .option(
      '--netns <namespace>',
      'inode number, or a path such as /run/netns/blue or /proc/1234/ns/net, or pid:1234',
      (text) => parseNetns(text, folder),
    )
    .option('--container <json>', 'a container object as in the API, instead of --netns')
    .option('--nif <names>', 'interface names separated by "/"; all of them when absent')
    .option('--filter <filter>', 'capture filter, see pcap-filter(7)')
    .option('--chaste', 'no promiscuous mode')
    .option('-w, --write <file>', 'write pcapng to this file, "-" for standard output; otherwise only count')
    .option('--duration <seconds>', 'end the capture after this time', parseLimit)
    .option('--max-bytes <bytes>', 'end the capture before the stream gets longer', parseLimit)
    .option('--max-packets <number>', 'end the capture after so many packets', parseLimit)
    .option('--snaplen <bytes>', 'keep no more of each packet', parseLimit)
    .allowExcessArguments(false)
    .exitOverride();
}

function parseUrl(text: string): string {
  if (!URL.canParse(text)) throw new InvalidArgumentError('not a URL.');
  const { protocol, hash } = new URL(text);
  if (protocol !== 'ws:' && protocol !== 'wss:')
    throw new InvalidArgumentError('must begin with ws:// or wss://.');
  if (hash !== '') throw new InvalidArgumentError('must not have a fragment (#...).');
  return text;
}

function parseNetns(text: string, folder: string): number {
  try {
    return findNetnsInode(text, folder);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}

/** How large a limit may be is for the service to say. */
function parseLimit(text: string): number {
  const limit = /^[1-9]\d*$/.test(text) ? Number(text) : NaN;
  if (!Number.isSafeInteger(limit)) throw new InvalidArgumentError('must be a whole number from 1.');
  return limit;
}
