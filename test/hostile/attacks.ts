/** What attackers do, for as long as a test lets them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { FakeRuntime } from '../fixtures/fake-runtime.js';
import { type Addressable, CaptureClient } from '../kit/capture-client.js';
import { Child } from '../kit/child.js';
import { eventually } from '../kit/eventually.js';
import { clientFrame } from '../kit/frame-reader.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { handshake, RawConnection } from '../kit/raw-connection.js';

/** Goes on until `signal` is aborted, and then removes what it has made. */
export type Attack = (service: Addressable, signal: AbortSignal) => Promise<void>;

/** A user that no system has. */
const USER = 3_999_999_999;
/** Pairs of interfaces; with `lo`, 31 interfaces are up. */
const PAIRS = 15;
/** Of one ip-batch(8). */
const RENAMES = 20_000;
const ANSWER_TIMEOUT_MS = 120_000;
const RETRY_MS = 100;

/**
 * Does something again and again, several at a time. An attacker does not mind being refused.
 *
 * @throws the last error when nothing has ever succeeded
 */
async function repeatedly(
  atOnce: number,
  signal: AbortSignal,
  action: (index: number, round: number) => Promise<void>,
): Promise<void> {
  let succeeded = false;
  let lastError: unknown;
  const one = async (_: unknown, index: number): Promise<void> => {
    for (let round = 0; !signal.aborted; round++) {
      try {
        await action(index, round);
        succeeded = true;
      } catch (error) {
        lastError = error;
        await sleep(RETRY_MS);
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce }, one));
  if (!succeeded) throw lastError;
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

const PINGS = Buffer.concat(Array.from({ length: 1_000 }, () => clientFrame('ping', 'p'.repeat(100))));

/** Opens captures, sends pings without end and reads nothing; `clients` at a time, again when they are cut. */
export function pings(netns: number, clients: number): Attack {
  return (service, signal) =>
    repeatedly(clients, signal, async () => {
      using client = connectFrom('127.0.0.14', service, signal);
      client.send(handshake(`/capture?netns=${netns}`));
      await client.until((bytes) => bytes.includes('\r\n\r\n'));
      await flood(client);
    });
}

/** Sends pings as fast as the service reads them, until it cuts the connection. */
export async function flood({ socket, ended }: RawConnection): Promise<void> {
  socket.pause();
  const send = (): void => {
    while (!socket.destroyed && socket.write(PINGS)) continue;
  };
  socket.on('drain', send);
  send();
  await ended;
}

/** Begins requests and does not end their headers, `connections` at a time, again when they are cut. */
export function slowHeaders(connections: number): Attack {
  return (service, signal) =>
    repeatedly(connections, signal, async () => {
      using client = connectFrom('127.0.0.15', service, signal);
      client.send('GET /version HTTP/1.1\r\nHost: ');
      await client.ended;
    });
}

/** Asks for lists and captures as a page whose host name was rebound to the address of the service. */
export const rebinding: Attack = (service, signal) =>
  repeatedly(4, signal, async (_, round) => {
    using page = connectFrom('127.0.0.16', service, signal);
    const path = ['/discover/mobyshark', '/metrics', '/readyz', '/capture?netns=5'][round % 4] ?? '';
    page.send(
      `GET ${path} HTTP/1.1\r\nHost: evil.example\r\nSec-Fetch-Site: same-origin\r\nConnection: close\r\n\r\n`,
    );
    await page.ended;
  });

function connectFrom(localAddress: string, service: Addressable, signal: AbortSignal): RawConnection {
  const { hostname, port } = new URL(service.url('/', 'http'));
  return new RawConnection(connect({ host: hostname, port: Number(port), localAddress, signal }));
}

const LONG_COMMAND_LINE = new URL('../kit/programs/long-command-line.ts', import.meta.url).pathname;
const HUGE_LIST_BYTES = 60 * 1024 * 1024;

/** Lists of 60 MiB, and a container with a name of 1 MiB and the processes of others, in turn. */
function hostileRuntime(): RequestListener {
  let lists = 0;
  return (request, response) => {
    if (request.url !== '/containers/json') {
      response.end(JSON.stringify({ Id: 'a'.repeat(64), State: { Pid: 1 } }));
    } else if (lists++ % 2) {
      response.end(JSON.stringify([{ Id: 'a'.repeat(64), Names: ['/'.padEnd(1024 * 1024, 'x')] }]));
    } else response.end(Buffer.alloc(HUGE_LIST_BYTES, '{},').fill('[', 0, 1));
  };
}

/**
 * Asks for names that nobody has, so that the built-in directory is asked all the time, and puts into its way a process
 * with a command line of 3 GiB and a user's socket that answers like a hostile container runtime.
 */
export const lookUps: Attack = async (service, signal) => {
  await using conmon = await Child.start(process.execPath, [
    LONG_COMMAND_LINE,
    'conmon',
    String(3 * 1024 ** 3),
  ]);
  await conmon.saying(/ready/, 60_000);
  await using made = new AsyncDisposableStack();
  made.use(await FakeRuntime.ofUser(USER, hostileRuntime()));
  await repeatedly(4, signal, async () => {
    const from = { localAddress: '127.0.0.17' };
    await using client = await CaptureClient.open(service, { container: { name: 'nobody' } }, from);
    await client.ended(ANSWER_TIMEOUT_MS);
  });
};

/** Captures, again and again, all interfaces of a namespace in which one has as many alternative names as the kernel allows. */
export const alternativeNames: Attack = async (service, signal) => {
  await using namespace = await NetworkNamespace.create();
  await namespace.addWire('eth0', 'eth1');
  await namespace.addAlternativeNames('eth0', 480);
  await repeatedly(1, signal, async () => {
    const from = { localAddress: '127.0.0.18' };
    await using client = await CaptureClient.open(service, { netns: namespace.inode }, from);
    await client.described('eth0', 'eth1');
    await sleep(500);
  });
};

/** A mount namespace in which /mnt/net holds a network namespace whose inode number is printed. */
export const NAMESPACE_AT_MNT = [
  'mount -t tmpfs tmpfs /mnt && touch /mnt/net && unshare --net=/mnt/net ip link set lo up',
  'stat -c "inode %i" /mnt/net',
];

export async function inodeSaid(child: Child): Promise<number> {
  const [, inode] = await child.saying(/inode (\d+)/);
  return Number(inode);
}

/** Asks for a namespace behind a file system that never answers. */
export const silentMounts: Attack = async (service, signal) => {
  await using attacker = await inMountNamespace([...NAMESPACE_AT_MNT, mountSilent('/mnt')]);
  const netns = await inodeSaid(attacker);
  await repeatedly(2, signal, async () => {
    const from = { localAddress: '127.0.0.19' };
    await using client = await CaptureClient.open(service, { netns }, from);
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
