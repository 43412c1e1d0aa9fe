/** Processor time of this process so far, in ms: unlike wall-clock time, it hardly depends on what else the machine does. */
export function cpuTimeMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
