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
import { askedForAllTests } from './directory.js';
import { addTellingInterface, type ProcessFacts } from './targets.js';

const STARTS = 1_000;
const AT_ONCE = 8;
const ENOUGH = 20;
/** How long a process lives, at most, and how long its successor in another namespace. */
const LIFE_MS = 80;
const SUCCESSOR_LIFE_MS = 20;

/** A process in a network namespace of its own, whose only interface is called like nothing else. */
interface Victim extends ProcessFacts {
  readonly interfaceName: string;
}

/** What the service says about itself in the second comment of the section. */
interface ServiceComment {
  readonly 'network-namespace': {
    readonly inode: number;
    readonly pid: number;
    readonly 'start-time': number;
  };
}

describeAsRoot('While a process is replaced over and over by others with its number', () => {
  const asked = askedForAllTests();

  it(`none of ${STARTS} captures that start comes from a wrong namespace`, async () => {
    const { service, ghostwire } = asked.current;
    await using wrong = await NetworkNamespace.create();
    await addTellingInterface(wrong, 'wrong0');
    const victims: Victim[] = [];
    const replacing = new AbortController();
    const seen = { successors: 0 };
    const replaced = keepReplacing(wrong, victims, seen, replacing.signal);
    // A rejection is looked at in the end.
    replaced.catch(() => undefined);
    ghostwire.answer = (request, response) => {
      // As good as it gets, and sometimes out of date already.
      const listed = victims.at(Math.random() < 0.2 ? -2 : -1);
      mobyshark(listed ? [{ name: 'victim', type: 'proc', ...listed }] : [])(request, response);
    };

    let started = 0;
    /** Enough of everything, or this would have tested nothing. */
    const enough = () => Math.min(outcomes.captured, outcomes.stale, seen.successors) >= ENOUGH;
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
          expect(codes).toContain(client.closing?.code);
        }
      }
    };
    try {
      await Promise.all(Array.from({ length: AT_ONCE }, worker));
    } finally {
      replacing.abort();
    }
    await replaced;

    const reusedPids = victims.length - new Set(victims.map(({ pid }) => pid)).size;
    const reusedInodes = victims.length - new Set(victims.map(({ netns }) => netns)).size;
    console.info(
      `${outcomes.captured} captured, ${outcomes.stale} refused; ${victims.length} processes, ` +
        `${reusedPids} of them with a used number, ${seen.successors} successors in another namespace, ` +
        `${reusedInodes} namespaces with a used inode number`,
    );
    expect(started).toBeGreaterThanOrEqual(STARTS);
    expect(reusedPids).toBeGreaterThan(ENOUGH);
  });
});

/** Starts and kills until told to stop. */
async function keepReplacing(
  wrong: NetworkNamespace,
  victims: Victim[],
  seen: { successors: number },
  stop: AbortSignal,
): Promise<void> {
  let pid: number | undefined;
  for (let round = 0; !stop.aborted; round += 1) {
    pid = await victimLifetime(victims, pid);
    // Every third victim is followed by another one right away.
    if (pid === undefined || round % 3 === 2) continue;
    await using successor = await startWithId(pid, 'nsenter', `--net=${wrong.path}`, 'sleep', 'infinity');
    if (!successor) {
      pid = undefined;
      continue;
    }
    await inNamespace(successor.pid, wrong.inode);
    seen.successors += 1;
    await sleep(Math.random() * SUCCESSOR_LIFE_MS);
  }
}

/** @param wanted number of the process; undefined, or if somebody else has got it: any */
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
  await sleep(Math.random() * LIFE_MS);
  return pid;
}

async function latest(victims: readonly Victim[]): Promise<Victim> {
  for (;;) {
    const victim = victims.at(-1);
    if (victim) return victim;
    await sleep(1);
  }
}

/** Of the very process that the service says it verified. */
function expectedInterface(client: CaptureClient, victims: readonly Victim[]): string | undefined {
  const {
    inode,
    pid,
    'start-time': starttime,
  } = (parse(client.comments[1] ?? '') as ServiceComment)['network-namespace'];
  return victims.find((each) => each.netns === inode && each.pid === pid && each.starttime === starttime)
    ?.interfaceName;
}
