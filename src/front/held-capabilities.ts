/** The sets that count: what the process may do now, and what it may take back; see capabilities(7). */
const SETS = ['CapPrm', 'CapEff'];

/**
 * Which capability sets of a process are not empty, as they stand in /proc/PID/status.
 *
 * Dropping privileges can fail without any error: `setpriv --bounding-set=-all` without CAP_SETPCAP changes
 * nothing and returns 0. So whoever is meant to have none looks for itself.
 *
 * @param status content of /proc/self/status; see proc_pid_status(5)
 */
export function heldCapabilities(status: string): string[] {
  return SETS.flatMap((set) => {
    const mask = new RegExp(`^${set}:\\s*([0-9a-f]+)$`, 'm').exec(status)?.[1];
    // What cannot be read might as well be everything.
    if (mask === undefined) return [`${set} unknown`];
    return /^0+$/.test(mask) ? [] : [`${set} ${mask}`];
  });
}
