/**
 * Gives itself a command line of BYTES bytes with prctl(2), PR_SET_MM_MAP, which needs no privileges. Then starts a child, as
 * conmon(8) does, prints a line, and sleeps.
 *
 * Usage: node long-command-line.ts COMM BYTES
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import koffi from 'koffi';

const [comm = '', bytes = ''] = process.argv.slice(2);
const libc = koffi.load(null);
const mmap = libc.func(
  'uint64_t mmap(void *address, size_t length, int protection, int flags, int fd, int64_t offset)',
);
const prctl = libc.func('int prctl(int option, ulong two, const void *three, ulong four, ulong five)');
const sbrk = libc.func('uint64_t sbrk(intptr_t increment)');

const PROT_READ_WRITE = 3;
const MAP_PRIVATE_ANONYMOUS = 0x22;
const PR_SET_MM = 35;
const PR_SET_MM_MAP = 14;
const NO_DESCRIPTOR = 0xffff_ffffn;
/** Fields of proc_pid_stat(5), counted from the one after the command name. */
const START_CODE = 23;
const END_CODE = 24;
const START_STACK = 25;
const START_DATA = 42;
const END_DATA = 43;
const START_BRK = 44;
const ENV_START = 47;
const ENV_END = 48;

const stat = readFileSync('/proc/self/stat', 'latin1')
  .replace(/^.*\) /s, '')
  .split(' ');
const field = (index: number): bigint => BigInt(stat[index] ?? 0);
const start = BigInt(mmap(null, Number(bytes), PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0) as bigint);
const map = BigUint64Array.of(
  ...[START_CODE, END_CODE, START_DATA, END_DATA, START_BRK].map(field),
  BigInt(sbrk(0) as bigint),
  field(START_STACK),
  start,
  start + BigInt(bytes),
  field(ENV_START),
  field(ENV_END),
  0n, // no auxiliary vector
  NO_DESCRIPTOR << 32n,
);
if (prctl(PR_SET_MM, PR_SET_MM_MAP, map, map.byteLength, 0) !== 0) throw new Error(`errno ${koffi.errno()}`);
process.title = comm;
spawn('setpriv', ['--pdeathsig', 'KILL', 'sleep', '1000'], { stdio: 'ignore' });
console.log('ready');
setInterval(() => undefined, 1000);
