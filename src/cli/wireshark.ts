import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Writable } from 'node:stream';
import { printable } from '../shared/printable.js';

/** Where Wireshark is where it is not in PATH. */
const USUAL_FOLDERS = [
  '/Applications/Wireshark.app/Contents/MacOS',
  'C:\\Program Files\\Wireshark',
  '/usr/local/bin',
  '/snap/bin',
];
const NAMES = ['wireshark', 'Wireshark', 'Wireshark.exe'];

/**
 * Since Wireshark 4.2: a packet that is seen at two interfaces, such as both ends of a veth pair, does not count as a
 * retransmission if they are told apart by MAC address and interface.
 */
const DEINTERLACING = 'conversation_deinterlacing_key';
const BY_MAC_AND_INTERFACE = '.MI';
const MAX_TITLE_LENGTH = 80;

/** A running Wireshark. */
export interface Wireshark {
  /** Where the stream goes. */
  readonly input: Writable;
  /** Settles when it has been closed. */
  readonly ended: Promise<void>;
}

/**
 * Starts Wireshark, which captures from its standard input.
 *
 * @param title what is captured, for the title of the window
 * @throws Error when there is none, or it cannot be started
 */
export async function startWireshark(title: string, environment = process.env): Promise<Wireshark> {
  const program = findWireshark(environment);
  if (program === undefined) {
    throw new Error('Wireshark was not found; install it, or set WIRESHARK to the path of the program');
  }
  const options = ['-k', '-i', '-', '-o', `gui.window_title:${printable(title, MAX_TITLE_LENGTH)}`];
  if (knows(program, DEINTERLACING)) options.push('-o', `${DEINTERLACING}:${BY_MAC_AND_INTERFACE}`);
  const child = spawn(program, options, { stdio: ['pipe', 'inherit', 'inherit'], env: environment });
  await once(child, 'spawn'); // rejects with an error
  child.on('error', () => undefined); // it cannot be signalled
  const ended = once(child, 'exit').then(() => undefined);
  return { input: child.stdin, ended };
}

/** @returns undefined when there is none */
function findWireshark(environment: NodeJS.ProcessEnv): string | undefined {
  const given = environment['WIRESHARK'];
  if (given) return given;
  const folders = [...(environment['PATH'] ?? '').split(delimiter), ...USUAL_FOLDERS];
  return folders.flatMap((folder) => NAMES.map((name) => join(folder, name))).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Wireshark does not start with a preference that it does not know. The tshark beside it lists those that both know. */
function knows(wireshark: string, preference: string): boolean {
  const tshark = wireshark.replace(/wireshark(\.exe)?$/i, 'tshark$1');
  const { stdout } = spawnSync(tshark, ['-G', 'defaultprefs'], {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  return (stdout as string | null)?.includes(preference) ?? false;
}
