import { setTimeout as sleep } from 'node:timers/promises';
import type { NetworkNamespace } from '../../test/kit/namespace.js';
import type { Bench } from '../bench.js';
import type { Load } from '../load/load-generator.js';
import type { TestBed } from '../load/test-bed.js';
import type { Outcome, Subject } from '../subjects/subject.js';
import {
  busyShare,
  cpuOfMachine,
  cpuOfTrees,
  memoryOfTreesMiB,
  secondsByRole,
  totalSeconds,
} from './resources.js';

/** Time from the start of the capture to the start of the measurement. */
const BEFORE_LOAD_MS = 300;

/** Result of one load on one subject. */
export interface Measurement extends Outcome {
  /** Counted by the interface. */
  readonly offered: number;
  readonly offeredBytes: number;
  readonly offeredPerSecond: number;
  readonly cpuSeconds: number;
  readonly cpuByRole: Readonly<Record<string, number>>;
  /** Busy share of all cores, including generator and client, 0 to 1. */
  readonly machineBusy: number;
  readonly memoryMiB: number;
}

/** Results of one load on one subject, by round. */
export interface Point {
  readonly load: Load;
  readonly subject: string;
  readonly rounds: Measurement[];
}

/** Starts the subject, sends the load and stops the subject. */
export async function measurePoint(
  bench: Bench,
  bed: TestBed,
  subject: Subject,
  load: Load,
): Promise<Measurement> {
  const run = await subject.start(bed);
  await sleep(BEFORE_LOAD_MS);
  const received = await receivedBy(bed.namespace, bed.captured());
  const processes = cpuOfTrees(run.pids);
  const machine = cpuOfMachine();

  await using generator = await bench.generator.start(bed.namespace, bed.sending(), load);
  await sleep(load.seconds * 900);
  const memoryMiB = memoryOfTreesMiB(run.pids);
  await generator.ended;
  const machineBusy = busyShare(machine, cpuOfMachine());
  await run.settle();

  const after = cpuOfTrees(run.pids);
  const { packets, bytes } = await receivedBy(bed.namespace, bed.captured());
  const offered = packets - received.packets;
  return {
    ...(await run.stop()),
    offered,
    offeredBytes: bytes - received.bytes,
    offeredPerSecond: offered / load.seconds,
    cpuSeconds: totalSeconds(after) - totalSeconds(processes),
    cpuByRole: secondsByRole(processes, after),
    machineBusy,
    memoryMiB,
  };
}

/** Fields of /proc/net/dev after the name: see proc_pid_net(5). */
const RECEIVED_BYTES = 0;
const RECEIVED_PACKETS = 1;

interface InterfaceCounts {
  readonly packets: number;
  readonly bytes: number;
}

/** Receive counters of an interface. */
async function receivedBy(namespace: NetworkNamespace, name: string): Promise<InterfaceCounts> {
  const lines = (await namespace.exec('cat', '/proc/net/dev')).split('\n');
  const line = lines.find((candidate) => candidate.trimStart().startsWith(`${name}:`)) ?? '';
  const fields = line.replace(/^.*:/, '').trim().split(/\s+/).map(Number);
  return { packets: fields[RECEIVED_PACKETS] ?? NaN, bytes: fields[RECEIVED_BYTES] ?? NaN };
}
