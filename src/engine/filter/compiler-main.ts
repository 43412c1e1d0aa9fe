import { closeSync, readdirSync, readlinkSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { compileFilter, PcapError } from '../pcap/libpcap.js';
import { assertPrivileges } from '../../shared/privileges/privileges.js';
import { COMPILER_READY, type CompileAnswer, type CompileRequest } from './compiler-protocol.js';
import { banSockets } from './socket-ban.js';

/**
 * The process that compiles one capture filter of a stranger and ends. It has no privileges and no network, and is
 * killed when it takes too long; see docs/adr.
 */
export async function runCompiler(): Promise<void> {
  process.title = 'packetflix: filter compiler';
  if (process.env['PACKETFLIX_SUPERVISED'] === '1') assertPrivileges('filter compiler');
  closeInheritedSockets();
  banSockets();
  process.stdout.write(`${COMPILER_READY}\n`);
  for await (const line of createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(answer(JSON.parse(line) as CompileRequest))}\n`);
    return;
  }
}

/** A packet socket that libpcap opened in a thread of the engine at the very moment when this process was started. */
function closeInheritedSockets(): void {
  for (const fd of readdirSync('/proc/self/fd').map(Number)) {
    if (fd > 2 && linkOf(fd).startsWith('socket:')) closeSync(fd);
  }
}

function linkOf(fd: number): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return ''; // the descriptor by which the folder was listed
  }
}

function answer({ filter, linkType, snapshotLength }: CompileRequest): CompileAnswer {
  try {
    return { program: Buffer.from(compileFilter(filter, linkType, snapshotLength)).toString('base64') };
  } catch (error) {
    if (!(error instanceof PcapError)) throw error;
    return { error: error.message };
  }
}
