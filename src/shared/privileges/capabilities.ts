import { readFileSync } from 'node:fs';

/** Bit numbers from linux/capability.h of the capabilities(7) that this service uses. */
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

/** The capability sets of a thread, by the names of proc_pid_status(5). */
export type CapabilitySetName = 'CapInh' | 'CapPrm' | 'CapEff' | 'CapBnd' | 'CapAmb';

/** One of the capability sets of a process. */
export class CapabilitySet {
  private constructor(private readonly mask: bigint) {}

  /**
   * @param status content of a file such as /proc/self/status
   * @throws Error when the status has no such set
   */
  static fromStatus(status: string, set: CapabilitySetName = 'CapEff'): CapabilitySet {
    const hexadecimal = new RegExp(`^${set}:\\s*([0-9a-f]+)$`, 'm').exec(status)?.[1];
    if (hexadecimal === undefined) throw new Error(`no line "${set}:" in the status of the process`);
    return new CapabilitySet(BigInt(`0x${hexadecimal}`));
  }

  static ofThisProcess(set: CapabilitySetName = 'CapEff'): CapabilitySet {
    return CapabilitySet.fromStatus(readFileSync('/proc/self/status', 'utf8'), set);
  }

  has(name: CapabilityName): boolean {
    return (this.mask & bit(name)) !== 0n;
  }

  /** The mask of the capabilities in this set that are not in `allowed`, as in proc_pid_status(5); undefined: none. */
  beyond(allowed: readonly CapabilityName[]): string | undefined {
    const rest = allowed.reduce((mask, name) => mask & ~bit(name), this.mask);
    return rest === 0n ? undefined : rest.toString(16).padStart(16, '0');
  }
}

function bit(name: CapabilityName): bigint {
  return 1n << BigInt(CAPABILITY_BITS[name]);
}

interface UsefulCapability {
  readonly name: CapabilityName;
  readonly optional: boolean;
  /** What does not work without the capability. */
  readonly consequence: string;
}

const USEFUL_CAPABILITIES: readonly UsefulCapability[] = [
  { name: 'SYS_PTRACE', optional: false, consequence: 'the network namespaces of processes cannot be found' },
  { name: 'SYS_ADMIN', optional: false, consequence: 'network namespaces cannot be entered' },
  { name: 'NET_RAW', optional: false, consequence: 'packets cannot be captured' },
  {
    name: 'DAC_READ_SEARCH',
    optional: true,
    consequence:
      'a network namespace is not found if only an open file of another user, or a mount in an inaccessible ' +
      'directory, keeps it alive',
  },
  {
    name: 'DAC_OVERRIDE',
    optional: true,
    consequence:
      'the names of containers are unknown if the socket of their runtime is not accessible; ' +
      'those of Docker and Podman usually are not',
  },
];

/** Lines for the log: the missing capabilities, their consequences, and how to grant them. Empty: none is missing. */
export function describeMissingCapabilities(capabilities: CapabilitySet): string[] {
  const missing = USEFUL_CAPABILITIES.filter(({ name }) => !capabilities.has(name));
  if (missing.length === 0) return [];
  const lines = missing.map(({ name, optional, consequence }) =>
    optional
      ? `missing capability CAP_${name} (optional): ${consequence}`
      : `missing capability CAP_${name}: ${consequence}, so CAPTURES WILL NOT WORK`,
  );
  return [...lines, ...REMEDIES];
}

/** One sentence for each capability that captures need and that is missing. */
export function missingForCaptures(capabilities: CapabilitySet): string[] {
  return USEFUL_CAPABILITIES.filter(({ name, optional }) => !optional && !capabilities.has(name)).map(
    ({ name, consequence }) => `missing capability CAP_${name}: ${consequence}`,
  );
}

const NAMES = USEFUL_CAPABILITIES.map(({ name }) => name);
const AMBIENT = NAMES.map((name) => `+${name.toLowerCase()}`).join(',');
const REMEDIES = [
  'To fix this, do one of:',
  '  run it as root',
  `  in a container, as root:  docker run --pid host ${NAMES.map((name) => `--cap-add ${name}`).join(' ')} ...`,
  '  as another user, from a root shell:  setpriv --reuid USER --regid GROUP --clear-groups ' +
    `--inh-caps ${AMBIENT} --ambient-caps ${AMBIENT} -- npm start`,
];
