import { closeSync, readdirSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { readLink } from '../../shared/linux/proc.js';
import { assertPrivileges } from '../../shared/privileges/privileges.js';
import { isSupervised } from '../../shared/supervisor-link/supervisor-link.js';
import { compileFilter, PcapError } from '../pcap/libpcap.js';
import { COMPILER_READY, type CompileAnswer, type CompileRequest } from './compiler-protocol.js';
import { banSockets } from './socket-ban.js';

/**
 * Runs the process that compiles one capture filter of an untrusted client and ends. It has no privileges and no
 * network, and the engine kills it when it takes too long; see docs/adr.
 */
export async function runCompiler(): Promise<void> {
  process.title = 'packetflix: filter compiler';
  if (isSupervised(process.env)) assertPrivileges('filter compiler');
  closeInheritedSockets();
  banSockets();
  process.stdout.write(`${COMPILER_READY}\n`);
  for await (const line of createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(answer(JSON.parse(line) as CompileRequest))}\n`);
    return;
  }
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
