/** Reading /proc, see proc(5). The root is a parameter, so that a checked-in tree can test it. */
import { closeSync, opendirSync, openSync, readdirSync, readlinkSync, readSync, type Dir } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';

/**
 * Flag of open(2) that Node does not export: a descriptor of a path, whatever is there, without opening it. The same number on
 * x64 and arm64; O_DIRECTORY and O_NOFOLLOW differ, so take those from `fs.constants`.
 */
export const O_PATH = 0o10000000;

/** Codes of the errors that say nothing about the file: this process or the host has no descriptors or memory left. */
const EXHAUSTED: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOMEM']);

/** @throws the error itself, if this process or the host lacks resources: what cannot be read may be there nevertheless */
export function throwIfExhausted(error: unknown): void {
  if (EXHAUSTED.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
}

/** Field numbers of /proc/PID/stat, see proc_pid_stat(5); counted from 1. */
const STAT_PPID = 4;
const STAT_STARTTIME = 22;
/** The first field after the command name. */
const STAT_AFTER_COMM = 3;

export interface ProcessStat {
  readonly parent: number;
  /** In clock ticks since boot. */
  readonly startTime: number;
}

/** The content of a /proc/PID/stat. The command name may hold spaces and parentheses: count from the last one. */
export function parseProcessStat(stat: string): ProcessStat {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return {
    parent: Number(fields[STAT_PPID - STAT_AFTER_COMM]),
    startTime: Number(fields[STAT_STARTTIME - STAT_AFTER_COMM]),
  };
}

/** @returns undefined when there is no such process (any more) */
export function readProcessStat(procRoot: string, pid: number): ProcessStat | undefined {
  const stat = readText(`${procRoot}/${pid}/stat`);
  return stat === undefined ? undefined : parseProcessStat(stat);
}

/** All process ids in ascending order, so long-lived processes come first. */
export function listProcesses(procRoot: string): number[] {
  return listNumbers(procRoot);
}

/** Ids of all threads of a process but the first, whose id is that of the process. */
export function listOtherThreads(procRoot: string, pid: number): number[] {
  return listNumbers(`${procRoot}/${pid}/task`).filter((tid) => tid !== pid);
}

/**
 * Open descriptors of a process; none when we may not read them. A generator, because a process may have a million: they
 * are read from the kernel as the caller asks for them.
 */
export function* listDescriptors(procRoot: string, pid: number): Generator<number> {
  for (const name of namesIn(`${procRoot}/${pid}/fd`)) {
    const fd = Number(name);
    if (Number.isInteger(fd)) yield fd;
  }
}

/** The names in a folder, read in small portions, so that memory use does not depend on how many there are. */
export function* namesIn(folder: string): Generator<string> {
  let entries: Dir | undefined;
  try {
    entries = opendirSync(folder, { bufferSize: 256 });
    for (let entry = entries.readSync(); entry; entry = entries.readSync()) yield entry.name;
  } catch (error) {
    throwIfExhausted(error);
    // ENOENT or ESRCH: the process has ended or there is no such folder; EACCES: then we could not open what is in it either
  } finally {
    entries?.closeSync();
  }
}

/** More than any file of /proc has whose size does not depend on how much a process, or somebody else, has made. */
const MAX_TEXT_BYTES = 64 * 1024;
/**
 * Of files with a line per mount, socket or interface, which are read line by line. Their lines are those of one namespace,
 * so a limit costs only those who fill it.
 */
const MAX_LINES_BYTES = 32 * 1024 * 1024;
/** Shared, because a scan reads ten thousands of files: its content is valid until the next read. */
const buffer = Buffer.alloc(MAX_TEXT_BYTES);

/**
 * Reads a small file: no more than 64 KiB of it, since a process can make its command line as large as its memory.
 *
 * @returns undefined when the file has gone or we may not read it
 */
export function readText(path: string, encoding: 'latin1' | 'utf8' = 'latin1'): string | undefined {
  try {
    const fd = openSync(path, 'r');
    try {
      let bytes = 0;
      for (let more = -1; more !== 0; bytes += more) {
        more = readSync(fd, buffer, bytes, MAX_TEXT_BYTES - bytes, null);
      }
      return buffer.toString(encoding, 0, bytes);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throwIfExhausted(error);
    return undefined; // ENOENT or ESRCH: the process has ended; EACCES: see above
  }
}

/** Reads at most that much of a file, whatever its size is or becomes. @throws Error of open(2) or read(2) */
export function readUpTo(path: string, maxBytes: number): Buffer {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for (const chunk of readChunks(path, maxBytes)) {
    chunks.push(Buffer.from(chunk));
    bytes += chunk.length;
  }
  return Buffer.concat(chunks, bytes);
}

/**
 * Reads the lines of a file of any size with little memory, the first 32 MiB of it. A line that is longer than 64 KiB is left
 * out. Yields nothing when the file has gone or we may not read it.
 */
export function* readLines(path: string, encoding: 'latin1' | 'utf8' = 'latin1'): Generator<string> {
  const decoder = new StringDecoder(encoding);
  let line = '';
  let isTooLong = false;
  try {
    for (const chunk of readChunks(path, MAX_LINES_BYTES)) {
      const parts = (line + decoder.write(chunk)).split('\n');
      line = parts.pop() ?? '';
      if (isTooLong) isTooLong = parts.shift() === undefined;
      yield* parts;
      if (line.length > MAX_TEXT_BYTES) isTooLong = true;
      if (isTooLong) line = '';
    }
    if (line !== '') yield line;
  } catch (error) {
    throwIfExhausted(error);
  }
}

/** Each chunk is valid until the next one is read. */
function* readChunks(path: string, maxBytes: number): Generator<Buffer> {
  const fd = openSync(path, 'r');
  try {
    for (let left = maxBytes; left > 0;) {
      const bytes = readSync(fd, buffer, 0, Math.min(left, buffer.length), null);
      if (bytes === 0) return;
      left -= bytes;
      yield buffer.subarray(0, bytes);
    }
  } finally {
    closeSync(fd);
  }
}

/** @returns undefined when the link has gone or we may not read it */
export function readLink(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined; // as in `readText`
  }
}

function listNumbers(folder: string): number[] {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch (error) {
    throwIfExhausted(error);
    return []; // the process has ended, or we may not read it: then we could not open what it holds either
  }
  const numbers: number[] = [];
  for (const name of names) {
    const number = Number(name);
    if (Number.isInteger(number)) numbers.push(number);
  }
  return numbers.sort((a, b) => a - b);
}

/** A mount in a mount namespace. */
export interface Mount {
  /** The directory or file in the file system that is mounted. */
  readonly root: string;
  /** Mount point, as seen from the root of the process whose mountinfo it is. Each character is a byte. */
  readonly path: string;
}

/** Fields of a /proc/PID/mountinfo line, see proc_pid_mountinfo(5); counted from 0. */
const MOUNT_ROOT = 3;
const MOUNT_POINT = 4;
/** Ends the optional fields; the type of the file system follows. */
const MOUNT_SEPARATOR = ' - ';

/**
 * The mounts of some types of file systems.
 *
 * @param mountinfo lines of a /proc/PID/mountinfo
 * @param isWanted decides by the type, such as `tmpfs`; there are many mounts, and the rest of a line costs more to parse
 */
export function* parseMounts(
  mountinfo: Iterable<string>,
  isWanted: (type: string) => boolean,
): Generator<Mount> {
  for (const line of mountinfo) {
    const separator = line.indexOf(MOUNT_SEPARATOR);
    if (separator < 0) continue;
    const typeAt = separator + MOUNT_SEPARATOR.length;
    if (!isWanted(line.slice(typeAt, line.indexOf(' ', typeAt)))) continue;
    const fields = line.split(' ', MOUNT_POINT + 1);
    yield { root: fields[MOUNT_ROOT] ?? '', path: unescapeOctal(fields[MOUNT_POINT] ?? '') };
  }
}

/** A bind-mounted namespace in a mount namespace. */
export interface NamespaceMount {
  /** Inode number of the network namespace. */
  readonly netns: number;
  /** See `Mount`. */
  readonly path: string;
}

/**
 * The network namespaces among the mounts: file system type nsfs, root `net:[INODE]`.
 *
 * @param mountinfo lines of a /proc/PID/mountinfo
 */
export function* parseNamespaceMounts(mountinfo: Iterable<string>): Generator<NamespaceMount> {
  for (const { root, path } of parseMounts(mountinfo, (type) => type === 'nsfs')) {
    const netns = parseNamespaceLink(root);
    if (netns !== undefined) yield { netns, path };
  }
}

/** The inode number in `net:[4026531840]`. */
export function parseNamespaceLink(link: string): number | undefined {
  if (!link.startsWith('net:[') || !link.endsWith(']')) return undefined;
  return Number(link.slice('net:['.length, -1));
}

/** mountinfo escapes white space and backslashes of paths, byte by byte, as \ooo. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 8)));
}
