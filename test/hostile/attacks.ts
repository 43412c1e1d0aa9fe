/** What attackers do, for as long as a test lets them: alone in the specs of this folder, all at once in all-attacks.slow-spec.ts. */
import { chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { docker as answersLikeDocker, FakeRuntime } from '../fixtures/fake-runtime.js';
import { CaptureClient } from '../kit/capture-client.js';
import { Child } from '../kit/child.js';
import { clientFrame } from '../kit/frame-reader.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { handshake, RawConnection } from '../kit/raw-connection.js';
import type { Service } from '../kit/service.js';

/** Goes on until `signal` is aborted, and then removes what it has made. */
export type Attack = (service: Service, signal: AbortSignal) => Promise<void>;

/** A user that no system has. */
const USER = 3_999_999_999;
const LONG_COMMAND_LINE = new URL('../kit/programs/long-command-line.ts', import.meta.url).pathname;
const COMMAND_LINE_BYTES = 128 * 1024 * 1024;
/** Pairs of interfaces; with `lo`, 31 interfaces are up. */
const PAIRS = 15;
/** Of one ip-batch(8). */
const RENAMES = 20_000;
const PINGS = Buffer.concat(Array.from({ length: 1_000 }, () => clientFrame('ping', 'p'.repeat(100))));
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

async function untilAborted(signal: AbortSignal): Promise<void> {
  while (!signal.aborted) await sleep(100);
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
      for (const deadline = performance.now() + ANSWER_TIMEOUT_MS; !signal.aborted && !client.closing;) {
        if (performance.now() > deadline) throw new Error('no answer to a filter');
        await sleep(100);
      }
    });
}

/** Clients, 20 at a time, that send pings and do not read. They are cut sooner or later, and come again. */
export function pings(netns: number): Attack {
  return (service, signal) =>
    repeatedly(20, signal, async () => {
      const target = `/capture?netns=${netns}&nif=eth1&filter=port+9`;
      const client = await RawConnection.upgraded(service.port, handshake(target));
      sendPings(client);
      while (!signal.aborted && !client.socket.destroyed) await sleep(100);
      client.socket.destroy();
    });
}

/** Sends as fast as the service reads, until it cuts the connection. */
export function sendPings({ socket }: RawConnection): void {
  socket.pause();
  const send = (): void => {
    while (!socket.destroyed && socket.write(PINGS)) continue;
  };
  socket.on('drain', send);
  send();
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

/** A process with a command line of 128 MiB that claims to monitor a container. */
export const longCommandLine: Attack = async (_, signal) => {
  await using child = await Child.start(process.execPath, [
    LONG_COMMAND_LINE,
    'conmon',
    String(COMMAND_LINE_BYTES),
  ]);
  await child.saying(/ready/);
  await untilAborted(signal);
};

/** A user who answers like Docker, with names of others, too many, and too long ones. */
export const falseClaims: Attack = async (_, signal) => {
  const folder = `/run/user/${USER}`;
  mkdirSync(folder, { recursive: true });
  try {
    const claims = Array.from({ length: 5_000 }, (_, number) => ({
      Id: number.toString(16).padStart(64, '0'),
      Names: [`/${'x'.repeat(2_000)}${number}`],
      Labels: { 'io.kubernetes.pod.name': 'web', 'io.kubernetes.pod.namespace': 'prod' },
    }));
    await using runtime = await FakeRuntime.start(answersLikeDocker(claims), join(folder, 'docker.sock'));
    for (const path of [folder, runtime.socketPath]) chownSync(path, USER, USER);
    await untilAborted(signal);
  } finally {
    rmSync(folder, { recursive: true });
  }
};

/** A process that pretends to be a container runtime, with a FUSE file system that never answers in place of its sockets. */
export const silentRuntime: Attack = async (_, signal) => {
  await using child = await inMountNamespace([mountSilent('/run'), 'printf dockerd >/proc/self/comm']);
  await untilAborted(signal);
  if (!child.alive) throw new Error(`the silent runtime has ended: ${child.stderr}`);
};

/** Mounts a FUSE file system whose process never answers a request. */
export function mountSilent(folder: string): string {
  return `exec 3<>/dev/fuse && mount -i -t fuse -o fd=3,rootmode=40000,user_id=0,group_id=0 silent ${folder}`;
}

/** Runs shell commands in a mount namespace of their own, and on SIGUSR1 one more; then it says "done". */
export async function inMountNamespace(commands: readonly string[], later = ':'): Promise<Child> {
  const onSignal = `trap '${later} && echo done' USR1`;
  const script = [...commands, onSignal, 'echo ready', 'while :; do sleep 0.1; done'].join('\n');
  const child = await Child.start('unshare', ['--mount', '--propagation', 'private', 'sh', '-ec', script]);
  await child.saying(/ready/);
  return child;
}

/** Requests of a web page of another origin, by DNS rebinding. */
export const rebinding: Attack = (service, signal) =>
  repeatedly(2, signal, async () => {
    const status = await statusOf(service.port, '/discover/mobyshark', 'evil.example');
    if (status !== 403) throw new Error(`a request for evil.example was answered with ${status}`);
    await sleep(50);
  });

function statusOf(port: number, path: string, host: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, path, headers: { host } }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    sent.on('error', reject).end();
  });
}

/** Connections, 1,000 at a time, that send a header byte by byte. */
export const slowHeaders: Attack = (service, signal) =>
  repeatedly(1_000, signal, async () => {
    const socket = connect({ port: service.port, host: '127.0.0.1', localAddress: '127.0.0.14' });
    const connection = new RawConnection(socket);
    connection.send('GET /version HTTP/1.1\r\nX: ');
    while (!signal.aborted && !socket.destroyed) {
      await sleep(1_000);
      if (!socket.destroyed) connection.send('x');
    }
    socket.destroy();
  });

/** Asks for the directory of targets, which makes the service look at what all others have prepared. */
export const lookups: Attack = (service, signal) =>
  repeatedly(2, signal, async () => {
    const response = await fetch(service.url('/discover/mobyshark'));
    await response.arrayBuffer();
    await sleep(250);
  });
