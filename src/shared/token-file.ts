import { hash, timingSafeEqual } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readFileSync, statSync, type BigIntStats } from 'node:fs';

/** Less can be guessed. */
const MIN_TOKEN_LENGTH = 16;
const MAX_FILE_BYTES = 16 * 1024;

/** RFC 6750, section 2.1: `b64token`. */
const TOKEN = /^[\w.~+/-]+=*$/;

/**
 * The kernel counts the time of a change in steps of some milliseconds, so two changes that follow each other closely can look like
 * one. A file is read again until its last change is older than this.
 */
const SETTLED_AFTER_MS = 1_000;

export type TokenFileLog = (message: string, level: 'info' | 'warn') => void;

/** A file that cannot be used as a token file; the message is for the operator. */
export class TokenFileError extends Error {}

/**
 * The token in a file. The file is checked at each use and read again when it has changed: a new token counts at once, and the
 * old one no longer does. While the file is missing or invalid, the last token stays.
 */
export class TokenFile {
  private token: string;
  private digest: Buffer;
  private version: string | undefined;
  private isFailing = false;

  /**
   * @param log gets a line when the token changes, and when the file can no longer be used
   * @throws TokenFileError when the file cannot be used now
   */
  constructor(
    private readonly path: string,
    private readonly log: TokenFileLog = () => undefined,
  ) {
    const version = versionOf(path);
    this.token = readToken(path);
    this.digest = digestOf(this.token);
    this.version = version;
  }

  current(): string {
    this.refresh();
    return this.token;
  }

  /** Takes the same time for each text of the same length. */
  matches(text: string): boolean {
    this.refresh();
    return timingSafeEqual(digestOf(text), this.digest);
  }

  private refresh(): void {
    try {
      // By the path: Kubernetes replaces a link when it changes a Secret.
      const version = versionOf(this.path);
      if (version !== undefined && version === this.version) return;
      const token = readToken(this.path);
      if (token !== this.token) this.log(`the token in ${this.path} has changed`, 'info');
      else if (this.isFailing) this.log(`${this.path} can be used again`, 'info');
      this.token = token;
      this.digest = digestOf(token);
      this.version = version;
      this.isFailing = false;
    } catch (error) {
      this.version = undefined;
      if (!this.isFailing) this.log(`${(error as Error).message}; the last token is still used`, 'warn');
      this.isFailing = true;
    }
  }
}

function digestOf(text: string): Buffer {
  return hash('sha256', text, 'buffer');
}

/** Changes with the content of the file; undefined: the file may have changed just now. Taken before the file is read. */
function versionOf(path: string): string | undefined {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs, ctimeMs }: BigIntStats = statSync(path, { bigint: true });
    const isSettled = Math.abs(Date.now() - Number(ctimeMs)) > SETTLED_AFTER_MS;
    return isSettled ? [dev, ino, size, mtimeNs, ctimeNs].join(' ') : undefined;
  } catch (cause) {
    throw unusable(path, cause);
  }
}

function readToken(path: string): string {
  let descriptor: number | undefined;
  try {
    // A pipe without a writer would block.
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const facts = fstatSync(descriptor);
    if (!facts.isFile()) throw new Error('it is not a file');
    if (facts.size > MAX_FILE_BYTES) throw new Error(`it has more than ${MAX_FILE_BYTES} bytes`);
    const token = readFileSync(descriptor, 'utf8').trim();
    if (token === '') throw new Error('it is empty');
    if (!TOKEN.test(token))
      throw new Error('a token has letters, digits and -._~+/ only, perhaps with = at its end');
    if (token.length < MIN_TOKEN_LENGTH)
      throw new Error(`a token has at least ${MIN_TOKEN_LENGTH} characters`);
    return token;
  } catch (cause) {
    throw unusable(path, cause);
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

function unusable(path: string, cause: unknown): TokenFileError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const hint =
    code === 'EACCES'
      ? `; user ${process.getuid?.()}, as which the service runs, must be able to read it`
      : '';
  return new TokenFileError(`--token-file: ${path} cannot be used: ${message}${hint}`, { cause });
}
