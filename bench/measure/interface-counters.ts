import type { NetworkNamespace } from '../../test/kit/namespace.js';

/** Of /proc/net/dev, behind the name: see proc_pid_net(5). */
const RECEIVED_BYTES = 0;
const RECEIVED_PACKETS = 1;

export interface InterfaceCounts {
  readonly packets: number;
  readonly bytes: number;
}

/** What the kernel has counted as received by an interface since it was made. */
export async function receivedBy(namespace: NetworkNamespace, name: string): Promise<InterfaceCounts> {
  const lines = (await namespace.exec('cat', '/proc/net/dev')).split('\n');
  const line = lines.find((candidate) => candidate.trimStart().startsWith(`${name}:`)) ?? '';
  const fields = line.replace(/^.*:/, '').trim().split(/\s+/).map(Number);
  return { packets: fields[RECEIVED_PACKETS] ?? NaN, bytes: fields[RECEIVED_BYTES] ?? NaN };
}
