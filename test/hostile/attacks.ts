/** What attackers do, for as long as a test lets them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CaptureClient } from '../kit/capture-client.js';
import { Child } from '../kit/child.js';
import { eventually } from '../kit/eventually.js';
import { NetworkNamespace } from '../kit/namespace.js';
import type { Service } from '../kit/service.js';

/** Goes on until `signal` is aborted, and then removes what it has made. */
export type Attack = (service: Service, signal: AbortSignal) => Promise<void>;

/** A user that no system has. */
const USER = 3_999_999_999;
/** Pairs of interfaces; with `lo`, 31 interfaces are up. */
const PAIRS = 15;
/** Of one ip-batch(8). */
const RENAMES = 20_000;
const ANSWER_TIMEOUT_MS = 120_000;

/** Does something again and again, several at a time. */
async function repeatedly(
  atOnce: number,
  signal: AbortSignal,
  action: (index: number, round: number) => Promise<void>,
): Promise<void> {
  const one = async (_: unknown, index: number): Promise<void> => {
    for (let round = 0; !signal.aborted; round++) await action(index, round);
  };
  await Promise.all(Array.from({ length: atOnce }, one));
}

/** A namespace with 31 interfaces. */
export async function crowdedNamespace(): Promise<NetworkNamespace> {
  const namespace = await NetworkNamespace.create();
  const lines = Array.from({ length: PAIRS }, (_, number) => [
    `link add a${number} up type veth peer name b${number}`,
    `link set b${number} up`,
  ]);
  await namespace.exec('sh', '-c', `echo "${['link set lo up', ...lines.flat()].join('\n')}" | ip -batch -`);
  return namespace;
}

/** Opens captures of many interfaces, 16 at a time, and aborts them while they open. */
export function openAndAbort(namespace: NetworkNamespace): Attack {
  return (service, signal) =>
    repeatedly(16, signal, async (index) => {
      await using client = await CaptureClient.open(
        service,
        { netns: namespace.inode },
        { countOnly: true, localAddress: '127.0.0.11' },
      );
      await sleep(10 + 7 * index);
      client.abort();
    });
}

/** Gives the interfaces of a crowded namespace new names, of letters only. */
export function renameInterfaces(namespace: NetworkNamespace): Attack {
  return async (_, signal) => {
    const names = Array.from({ length: PAIRS }, (_, number) => [`a${number}`, `b${number}`]).flat();
    const folder = mkdtempSync(join(tmpdir(), 'packetflix-'));
    try {
      for (let from = 0; !signal.aborted; from += RENAMES) {
        const lines = Array.from({ length: RENAMES }, (_, index) => {
          const at = index % names.length;
          const before = names[at];
          names[at] = `x${from + index}`.replace(/\d/g, (digit) => 'klmnopqrst'[Number(digit)] ?? '');
          return `link set ${before} down\nlink set ${before} name ${names[at]} up\n`;
        });
        writeFileSync(join(folder, 'renames'), lines.join(''));
        await using renaming = await namespace.start('ip', '-batch', join(folder, 'renames'));
        while (!signal.aborted && renaming.alive) await sleep(100);
        if (!renaming.alive) await renaming.succeeded();
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  };
}

/** About 4 KiB, which take libpcap's compiler hours. Each one differs, since a compiled filter is kept. */
function endlessFilter(number: number): string {
  const ranges = Array.from({ length: 150 }, (_, index) => `portrange ${index}-${index + 1_000 + number}`);
  return ranges.join(' and ');
}

/** Captures with filters that take hours to compile, `connections` at a time. */
export function endlessFilters(netns: number, connections: number): Attack {
  return (service, signal) =>
    repeatedly(connections, signal, async (index, round) => {
      const filter = endlessFilter(round * connections + index);
      const from = { localAddress: '127.0.0.12' };
      await using client = await CaptureClient.open(service, { netns, nif: 'eth1', filter }, from);
      await eventually(
        'an answer to a filter',
        () => signal.aborted || client.closing !== undefined,
        ANSWER_TIMEOUT_MS,
      );
    });
}

/** In Perl, which Debian always has. Descriptors are copied when a process forks. */
const MANY_DESCRIPTORS = `
  open $files[$_], '<', '/dev/null' or die $! for 1 .. 19_900;
  for (2 .. 25) { last if !fork }
  syswrite STDOUT, "ready\\n";
  sleep 1 while getppid != 1;
`;

/** A user with 500,000 descriptors, while clients ask for namespaces that do not exist, 20 at a time. */
export const searches: Attack = async (service, signal) => {
  const switchUser = ['--reuid', String(USER), '--regid', String(USER), '--clear-groups'];
  await using user = await Child.start('setpriv', [...switchUser, 'perl', '-e', MANY_DESCRIPTORS]);
  await user.saying(/(ready\n){25}/, 60_000);
  await repeatedly(20, signal, async (index, round) => {
    const from = { localAddress: '127.0.0.13' };
    await using client = await CaptureClient.open(service, { netns: 1 + round * 20 + index }, from);
    await client.ended(ANSWER_TIMEOUT_MS);
  });
};

/** Mounts a FUSE file system whose process never answers a request. */
export function mountSilent(folder: string): string {
  return `exec 3<>/dev/fuse && mount -i -t fuse -o fd=3,rootmode=40000,user_id=0,group_id=0,allow_other silent ${folder}`;
}

/** Runs shell commands in a mount namespace of their own, and on SIGUSR1 one more; then it says "done". */
export async function inMountNamespace(commands: readonly string[], later = ':'): Promise<Child> {
  const onSignal = `trap '${later} && echo done' USR1`;
  const script = [...commands, onSignal, 'echo ready', 'while :; do sleep 0.1; done'].join('\n');
  const child = await Child.start('unshare', ['--mount', '--propagation', 'private', 'sh', '-ec', script]);
  await child.saying(/ready/);
  return child;
}
