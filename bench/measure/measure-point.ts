import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench } from '../bench.js';
import type { Load } from '../load/load-generator.js';
import type { TestBed } from '../load/test-bed.js';
import type { Outcome, Subject } from '../subjects/subject.js';
import { busyShare, cpuOfMachine, cpuOfTrees, secondsByRole, totalSeconds } from './cpu.js';
import { receivedBy } from './interface-counters.js';
import { memoryOfTreesMiB } from './memory.js';

/** From the start of a capture to what is measured. */
const BEFORE_LOAD_MS = 300;

/** One load on one subject. */
export interface Measurement extends Outcome {
  /** By the counters of the interface. */
  readonly offered: number;
  readonly offeredBytes: number;
  readonly offeredPerSecond: number;
  readonly cpuSeconds: number;
  readonly cpuByRole: Readonly<Record<string, number>>;
  /** Of the whole machine, generator and client included, 0 to 1. */
  readonly machineBusy: number;
  readonly memoryMiB: number;
}

/** What one subject made of one load, round by round. */
export interface Point {
  readonly load: Load;
  readonly subject: string;
  readonly rounds: Measurement[];
}

/** Starts the subject, sends the load, and ends the subject again. */
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
