import { readFileSync } from 'node:fs';

/** Bit numbers of capabilities(7), from linux/capability.h; only those that this service has to do with. */
export const CAPABILITY_BITS = {
  DAC_READ_SEARCH: 2,
  SETPCAP: 8,
  NET_RAW: 13,
  SYS_PTRACE: 19,
  SYS_ADMIN: 21,
} as const;
export type CapabilityName = keyof typeof CAPABILITY_BITS;

/** The effective capabilities of a process, as the kernel tells them in proc_pid_status(5). */
export class CapabilitySet {
  private constructor(private readonly mask: bigint) {}

  /** Reads the line `CapEff:` of a status file's text; throws an `Error` when there is none. */
  static fromStatus(status: string): CapabilitySet {
    const hexadecimal = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1];
    if (hexadecimal === undefined) throw new Error('no line "CapEff:" in the status of the process');
    return new CapabilitySet(BigInt(`0x${hexadecimal}`));
  }

  /** What this very process may do. */
  static ofThisProcess(): CapabilitySet {
    return CapabilitySet.fromStatus(readFileSync('/proc/self/status', 'utf8'));
  }

  has(name: CapabilityName): boolean {
    return (this.mask & (1n << BigInt(CAPABILITY_BITS[name]))) !== 0n;
  }
}
