import { hkdfSync, randomBytes } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';

/** Length of the keys that sign tickets. */
export const TICKET_KEY_BYTES = 32;

/** Less is not a key but a password, which can be guessed from one ticket. */
const MIN_FILE_BYTES = 32;
const MAX_FILE_BYTES = 64 * 1024;

/** Distinguishes the key from others that are derived from the same file. Changes with the format of tickets. */
const PURPOSE = 'packetflix tickets 1';

/**
 * The key that signs tickets: derived from a file that several services share, or else a new one.
 *
 * @throws Error whose message is for the operator, when the file cannot be read or is too short
 */
export function ticketKey(file: string | undefined): Buffer {
  if (file === undefined) return randomBytes(TICKET_KEY_BYTES);
  return Buffer.from(hkdfSync('sha256', readKeyFile(file), '', PURPOSE, TICKET_KEY_BYTES));
}

function readKeyFile(file: string): Buffer {
  let descriptor: number | undefined;
  try {
    // A pipe without a writer would block.
    descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
    const facts = fstatSync(descriptor);
    if (!facts.isFile()) throw new Error('it is not a file');
    if (facts.size < MIN_FILE_BYTES) throw new Error(`it has less than ${MIN_FILE_BYTES} bytes`);
    if (facts.size > MAX_FILE_BYTES) throw new Error(`it has more than ${MAX_FILE_BYTES} bytes`);
    return readFileSync(descriptor);
  } catch (cause) {
    throw new Error(`--ticket-key-file: ${file} cannot be used: ${(cause as Error).message}`, { cause });
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}
