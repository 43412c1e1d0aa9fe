import { createInterface } from 'node:readline';
import { compileFilter, PcapError } from '../native/libpcap.js';
import type { CompileAnswer, CompileRequest } from './compiler-protocol.js';

/**
 * The process that compiles one capture filter of a stranger and ends. It has no privileges and no network, and is
 * killed when it takes too long; see docs/adr.
 */
export async function runCompiler(): Promise<void> {
  process.title = 'packetflix: filter compiler';
  for await (const line of createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(answer(JSON.parse(line) as CompileRequest))}\n`);
    return;
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
