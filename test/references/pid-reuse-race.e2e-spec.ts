import { statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parse } from 'yaml';
import { mobyshark } from '../fixtures/ghostwire-server.js';
import { CaptureClient } from '../kit/capture-client.js';
import { Child } from '../kit/child.js';
import { CLOSE_ENDED, CLOSE_NOT_FOUND, CLOSE_STALE_OR_AMBIGUOUS } from '../kit/close-codes.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { inNamespace, startTimeOf, startWithId } from '../kit/processes.js';
import { describeAsRoot } from '../kit/root.js';
import { discoveryForAllTests } from './directory.js';
import { addNamedInterface, type ProcessFacts } from './targets.js';

const STARTS = 1_000;
const WORKERS = 8;
/** Minimum number of each outcome. */
const MIN_OUTCOMES = 20;
const MAX_LIFETIME_MS = 80;
const MAX_SUCCESSOR_LIFETIME_MS = 20;

/** A process in a separate network namespace, whose only interface has a unique name. */
interface Victim extends ProcessFacts {
  readonly interfaceName: string;
}

/** The second comment of the section. */
interface ServiceComment {
  readonly 'network-namespace': {
    readonly inode: number;
    readonly pid: number;
    readonly 'start-time': number;
  };
}

describeAsRoot('While a process is replaced repeatedly by others with its process ID,', () => {
  const discovery = discoveryForAllTests();

  it(`none of ${STARTS} captures comes from a wrong namespace`, async () => {
    const { service, ghostwire } = discovery.current;
    await using wrong = await NetworkNamespace.create();
    await addNamedInterface(wrong, 'wrong0');
    const victims: Victim[] = [];
    const replacing = new AbortController();
    const seen = { successors: 0 };
    const replaced = keepReplacing(wrong, victims, seen, replacing.signal);
    // A rejection is handled below.
    replaced.catch(() => undefined);
    ghostwire.answer = (request, response) => {
      // The latest process, and sometimes the one before.
      const listed = victims.at(Math.random() < 0.2 ? -2 : -1);
      mobyshark(listed ? [{ name: 'victim', type: 'proc', ...listed }] : [])(request, response);
    };

    let started = 0;
    /** Whether each outcome has happened often enough for a meaningful test. */
    const enough = () => Math.min(outcomes.captured, outcomes.stale, seen.successors) >= MIN_OUTCOMES;
    const outcomes = { captured: 0, stale: 0 };
    const worker = async (): Promise<void> => {
      while (started < STARTS || !enough()) {
        started += 1;
        const { netns, pid, starttime } = await latest(victims);
        const name = started % 2 ? 'victim' : '';
        await using client = await CaptureClient.open(service, {
          container: { netns, pid, starttime, name },
        });
        await client.until('a capture or a refusal', () => client.interfaces.length > 0 || !!client.closing);
        if (client.interfaces.length > 0) {
          outcomes.captured += 1;
          expect(client.interfaceNames).toEqual([expectedInterface(client, victims)]);
        } else {
          outcomes.stale += 1;
          // CLOSE_ENDED: the victim ended after the capture was verified and before its interface was announced.
          const codes = [CLOSE_STALE_OR_AMBIGUOUS, CLOSE_NOT_FOUND, CLOSE_ENDED];
          const isExpected = codes.includes(client.closing?.code ?? NaN);
          expect({ ...client.closing, isExpected }).toMatchObject({ isExpected: true });
        }
      }
    };
    try {
      await Promise.all(Array.from({ length: WORKERS }, worker));
    } finally {
      replacing.abort();
    }
    await replaced;

    const reusedPids = victims.length - new Set(victims.map(({ pid }) => pid)).size;
    const reusedInodes = victims.length - new Set(victims.map(({ netns }) => netns)).size;
    console.info(
      `${outcomes.captured} captured, ${outcomes.stale} refused; ${victims.length} processes, ` +
        `${reusedPids} of them with a reused process ID, ${seen.successors} successors in another namespace, ` +
        `${reusedInodes} namespaces with a reused inode number`,
    );
    expect(started).toBeGreaterThanOrEqual(STARTS);
    expect(reusedPids).toBeGreaterThan(MIN_OUTCOMES);
  });
});

/** Starts and kills processes until the signal is aborted. */
async function keepReplacing(
  wrong: NetworkNamespace,
  victims: Victim[],
  seen: { successors: number },
  stop: AbortSignal,
): Promise<void> {
  let pid: number | undefined;
  for (let round = 0; !stop.aborted; round += 1) {
    pid = await victimLifetime(victims, pid);
    // Every third victim is directly followed by another one.
    if (pid === undefined || round % 3 === 2) continue;
    await using successor = await startWithId(pid, 'nsenter', `--net=${wrong.path}`, 'sleep', 'infinity');
    if (!successor) {
      pid = undefined;
      continue;
    }
    await inNamespace(successor.pid, wrong.inode);
    seen.successors += 1;
    await sleep(Math.random() * MAX_SUCCESSOR_LIFETIME_MS);
  }
}

/**
 * Starts a victim and kills it after a random time.
 *
 * @param wanted process ID, or undefined for any
 * @returns the process ID, or undefined if another process has got `wanted`
 */
async function victimLifetime(victims: Victim[], wanted: number | undefined): Promise<number | undefined> {
  const interfaceName = `right${victims.length}`;
  const script = 'ip link add "$0" type veth && ip link set "$0" up && echo up && exec sleep infinity';
  const args = ['--net', 'sh', '-c', script, interfaceName];
  await using child =
    wanted === undefined ? await Child.start('unshare', args) : await startWithId(wanted, 'unshare', ...args);
  if (!child) return undefined;
  await child.saying(/up/);
  const { pid } = child;
  const netns = statSync(`/proc/${pid}/ns/net`).ino;
  victims.push({ netns, pid, starttime: startTimeOf(pid), interfaceName });
  await sleep(Math.random() * MAX_LIFETIME_MS);
  return pid;
}

async function latest(victims: readonly Victim[]): Promise<Victim> {
  for (;;) {
    const victim = victims.at(-1);
    if (victim) return victim;
    await sleep(1);
  }
}

/** The interface of the process that the service reports in the stream. */
function expectedInterface(client: CaptureClient, victims: readonly Victim[]): string | undefined {
  const {
    inode,
    pid,
    'start-time': starttime,
  } = (parse(client.comments[1] ?? '') as ServiceComment)['network-namespace'];
  return victims.find((each) => each.netns === inode && each.pid === pid && each.starttime === starttime)
    ?.interfaceName;
}
