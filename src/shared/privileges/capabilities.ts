import { readFileSync } from 'node:fs';

/** Bit numbers of capabilities(7), from linux/capability.h; only those that this service has to do with. */
export const CAPABILITY_BITS = {
  DAC_OVERRIDE: 1,
  DAC_READ_SEARCH: 2,
  SETGID: 6,
  SETUID: 7,
  SETPCAP: 8,
  NET_RAW: 13,
  SYS_PTRACE: 19,
  SYS_ADMIN: 21,
} as const;
export type CapabilityName = keyof typeof CAPABILITY_BITS;

/** The sets that each thread has, as the kernel calls them in proc_pid_status(5). */
export type CapabilitySetName = 'CapInh' | 'CapPrm' | 'CapEff' | 'CapBnd' | 'CapAmb';

/** One of the capability sets of a process. */
export class CapabilitySet {
  private constructor(private readonly mask: bigint) {}

  /** Reads a line such as `CapEff:` of a status file's text; throws an `Error` when there is none. */
  static fromStatus(status: string, set: CapabilitySetName = 'CapEff'): CapabilitySet {
    const hexadecimal = new RegExp(`^${set}:\\s*([0-9a-f]+)$`, 'm').exec(status)?.[1];
    if (hexadecimal === undefined) throw new Error(`no line "${set}:" in the status of the process`);
    return new CapabilitySet(BigInt(`0x${hexadecimal}`));
  }

  /** What this very process may do, or one of its other sets. */
  static ofThisProcess(set: CapabilitySetName = 'CapEff'): CapabilitySet {
    return CapabilitySet.fromStatus(readFileSync('/proc/self/status', 'utf8'), set);
  }

  has(name: CapabilityName): boolean {
    return (this.mask & bit(name)) !== 0n;
  }

  /** What is in this set beside `allowed`, as the kernel writes it; undefined: nothing is. */
  beyond(allowed: readonly CapabilityName[]): string | undefined {
    const rest = allowed.reduce((mask, name) => mask & ~bit(name), this.mask);
    return rest === 0n ? undefined : rest.toString(16).padStart(16, '0');
  }
}

function bit(name: CapabilityName): bigint {
  return 1n << BigInt(CAPABILITY_BITS[name]);
}
