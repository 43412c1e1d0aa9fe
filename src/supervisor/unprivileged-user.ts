/**
 * What the service keeps when it becomes an ordinary user: what engines and discovery process need, and SETPCAP, with
 * which the supervisor empties the bounding set of the front. The table in docs/container.md says more. Bit numbers of
 * capabilities(7), from linux/capability.h.
 */
const KEPT = {
  DAC_OVERRIDE: 1,
  DAC_READ_SEARCH: 2,
  SETPCAP: 8,
  NET_RAW: 13,
  SYS_PTRACE: 19,
  SYS_ADMIN: 21,
} as const;
/** What root needs to become somebody else, and completely. */
const FOR_BECOMING = { SETGID: 6, SETUID: 7, SETPCAP: KEPT.SETPCAP } as const;

/** The sets by which a process can do something, or hand it on. */
const SETS = ['CapInh', 'CapPrm', 'CapEff', 'CapAmb'] as const;

/** What a process may do, as far as it matters here. */
export interface Powers {
  /** Real, effective, saved and file system user id, then the same of the group, then further groups. */
  readonly ids: readonly number[];
  readonly sets: Readonly<Record<(typeof SETS)[number] | 'CapBnd', bigint>>;
  readonly mayGetNewOnes: boolean;
}

/**
 * Reads the status of a process.
 *
 * @param status content of /proc/PID/status, see proc_pid_status(5)
 * @throws Error when something is not there: what cannot be read might be everything
 */
export function parsePowers(status: string): Powers {
  const value = (name: string): string => {
    const text = new RegExp(`^${name}:[ \\t]*(.*)$`, 'm').exec(status)?.[1];
    if (text === undefined) throw new Error(`no line "${name}:" in the status of the process`);
    return text.trim();
  };
  const mask = (name: string): bigint => BigInt(`0x${value(name)}`);
  return {
    ids: `${value('Uid')} ${value('Gid')} ${value('Groups')}`.trim().split(/\s+/).map(Number),
    sets: {
      CapInh: mask('CapInh'),
      CapPrm: mask('CapPrm'),
      CapEff: mask('CapEff'),
      CapBnd: mask('CapBnd'),
      CapAmb: mask('CapAmb'),
    },
    mayGetNewOnes: value('NoNewPrivs') !== '1',
  };
}

/** The capabilities that root lacks to become another user; none when it is no root. */
export function missingForBecoming({ ids, sets }: Powers): string[] {
  if (!isRoot(ids)) return [];
  return Object.entries(FOR_BECOMING).flatMap(([name, bit]) => (has(sets.CapPrm, bit) ? [] : [name]));
}

/** Options of setpriv(1) that leave nothing but an ordinary user and, of the capabilities there are, the kept ones. */
export function asUser(
  { ids, sets }: Powers,
  user: { readonly uid: string; readonly gid: string },
): string[] {
  const kept = Object.entries(KEPT).filter(([, bit]) => has(sets.CapPrm, bit));
  const only = ['-all', ...kept.map(([name]) => `+${name.toLowerCase()}`)].join(',');
  return [
    ...(isRoot(ids) ? ['--reuid', user.uid, '--regid', user.gid, '--clear-groups'] : []),
    `--inh-caps=${only}`,
    `--ambient-caps=${only}`,
    ...(has(sets.CapPrm, FOR_BECOMING.SETPCAP) ? [`--bounding-set=${only}`] : []),
    '--no-new-privs',
  ];
}

/**
 * What a process has that the service must not keep, in words; empty: nothing. Giving up can fail without a word:
 * `setpriv --bounding-set=-all` without CAP_SETPCAP changes nothing and returns 0, and user 0 then keeps all.
 */
export function describeExcess({ ids, sets, mayGetNewOnes }: Powers): string[] {
  const allowed = Object.values(KEPT).reduce((mask, bit) => mask | (1n << BigInt(bit)), 0n);
  return [
    ...(isRoot(ids) ? ['it is root'] : []),
    ...SETS.filter((set) => (sets[set] & ~allowed) !== 0n).map((set) => `${set} ${sets[set].toString(16)}`),
    ...(mayGetNewOnes ? ['it may get new privileges'] : []),
  ];
}

/** The first four are the user's, as whom or as whose saved id the process may act. */
function isRoot(ids: readonly number[]): boolean {
  return ids.slice(0, 4).includes(0);
}

function has(set: bigint, bit: number): boolean {
  return (set & (1n << BigInt(bit))) !== 0n;
}
