import { closeSync, readdirSync, readSync, writeFileSync, writeSync } from 'node:fs';
import { endProcess, forbidInspection } from '../../shared/linux/libc.js';
import { limitMemoryGrowth } from '../../shared/linux/memory-limit.js';
import { readLink } from '../../shared/linux/proc.js';
import { assertPrivileges } from '../../shared/privileges/privileges.js';
import { isSupervised } from '../../shared/supervisor-link/supervisor-link.js';
import { compileFilter, PcapError } from '../pcap/libpcap.js';
import { COMPILER_READY, type CompileAnswer, type CompileRequest } from './compiler-protocol.js';
import { restrictToCompiling } from './system-call-filter.js';

const STANDARD_INPUT = 0;
const STANDARD_OUTPUT = 1;

/** Memory that compiling may take, in addition to that of the process when it is ready. */
const MAX_FILTER_MEMORY_BYTES = 64 * 1024 * 1024;
/** If the machine has no memory left, the kernel ends filter compilers first. */
const FIRST_TO_END = '1000';

/**
 * Runs the process that compiles one capture filter of an untrusted client and ends. It has no privileges and no
 * network, and the engine kills it when it takes too long; see docs/adr.
 *
 * It reads and writes without the event loop, which needs io_uring(7) on some kernels.
 */
export function runCompiler(): void {
  process.title = 'packetflix: filter compiler';
  if (isSupervised(process.env)) assertPrivileges('filter compiler');
  closeInheritedSockets();
  writeFileSync('/proc/self/oom_score_adj', FIRST_TO_END);
  limitMemoryGrowth(MAX_FILTER_MEMORY_BYTES);
  forbidInspection();
  restrictToCompiling();
  writeLine(COMPILER_READY);
  const request = readLine();
  if (request !== undefined) writeLine(JSON.stringify(answer(JSON.parse(request) as CompileRequest)));
  endProcess(0); // Node.js would run the event loop once more
}

/** @returns undefined when the engine has no request any more */
function readLine(): string | undefined {
  const chunk = Buffer.alloc(64 * 1024);
  let line = '';
  while (!line.includes('\n')) {
    const length = readSync(STANDARD_INPUT, chunk);
    if (length === 0) return undefined;
    line += chunk.toString('utf8', 0, length);
  }
  return line;
}

function writeLine(line: string): void {
  let rest = Buffer.from(`${line}\n`);
  while (rest.length > 0) rest = rest.subarray(writeSync(STANDARD_OUTPUT, rest));
}

/** Closes packet sockets that libpcap opened in a thread of the engine while this process was being started. */
function closeInheritedSockets(): void {
  for (const fd of readdirSync('/proc/self/fd').map(Number)) {
    // The descriptor with which the directory was read has no link any more.
    if (fd > 2 && readLink(`/proc/self/fd/${fd}`)?.startsWith('socket:')) closeSync(fd);
  }
}

function answer({ filter, dlt, snapshotLength }: CompileRequest): CompileAnswer {
  try {
    return { program: Buffer.from(compileFilter(filter, dlt, snapshotLength)).toString('base64') };
  } catch (error) {
    if (!(error instanceof PcapError)) throw error;
    return { error: error.message };
  }
}
