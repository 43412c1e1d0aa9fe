import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench } from '../bench.js';
import type { TestBed } from '../load/test-bed.js';
import { busyShare, cpuOfMachine, cpuOfTrees, totalSeconds, memoryOfTreesMiB } from '../measure/resources.js';
import { figure, percent } from '../report/figures.js';
import { DumpcapStream } from '../subjects/dumpcap-stream.js';
import type { Findings } from './scenario.js';

const INTERFACES = { quick: 20, usual: 100, matrix: 200 };
const LOADED_INTERFACES = 10;
const PACKETS_PER_SECOND_EACH = 2_000;
const FRAME_BYTES = 200;
const SETTLE_MS = 2_000;

interface Capture {
  readonly name: string;
  readonly pid: number;
  readonly firstByteMs: number;
  packets(): Promise<number>;
  stop(): Promise<void> | void;
}

/** One capture of many interfaces: how fast it begins, its cost when idle, and with load on some of them. */
export async function measureManyInterfaces(bench: Bench): Promise<Findings> {
  const number = INTERFACES[bench.options.extent];
  bench.progress(`creating ${number} interfaces`);
  const bed = await bench.testBed(number);
  const rows: string[][] = [];
  const starters = [
    () => ofDumpcap(bed),
    ...bench.services().map((service) => async (): Promise<Capture> => {
      const streams = await service.open(bed, bed.allCaptured);
      const [report] = await streams.report();
      return {
        name: service.name,
        pid: service.pid,
        firstByteMs: report?.firstByteMs ?? NaN,
        packets: async () => (await streams.report())[0]?.packets ?? NaN,
        stop: () => streams.close(),
      };
    }),
  ];
  for (const start of starters) {
    const memoryBefore = memoryOfTreesMiB([bench.service.pid]);
    const capture = await start();
    bench.progress(`${number} interfaces, ${capture.name}`);
    rows.push(await measure(bench, bed, capture, capture.name === 'dumpcap' ? 0 : memoryBefore));
    await capture.stop();
    await sleep(SETTLE_MS);
  }
  await bed.namespace.end();
  return {
    tables: [
      {
        title: `One capture of ${number} interfaces`,
        columns: [
          'subject',
          'first byte ms',
          'idle: machine',
          'processes',
          'memory MiB',
          `${LOADED_INTERFACES} × ${PACKETS_PER_SECOND_EACH}/s: delivered`,
          'CPU s per M packets',
          'machine',
        ],
        rows,
      },
    ],
    data: rows,
  };
}

async function ofDumpcap(bed: TestBed): Promise<Capture> {
  const dumpcap = DumpcapStream.start(bed, bed.allCaptured);
  return {
    name: 'dumpcap',
    pid: dumpcap.pid,
    firstByteMs: await dumpcap.whenBegun(),
    packets: () => Promise.resolve(dumpcap.packets),
    stop: () => dumpcap[Symbol.asyncDispose](),
  };
}

async function measure(
  bench: Bench,
  bed: TestBed,
  capture: Capture,
  memoryBefore: number,
): Promise<string[]> {
  const { seconds } = bench.options;
  const cpu = () => totalSeconds(cpuOfTrees([capture.pid]));
  await sleep(SETTLE_MS);
  const [machineIdle, processesIdle] = [cpuOfMachine(), cpu()];
  await sleep(seconds * 1_000);
  const idleShare = busyShare(machineIdle, cpuOfMachine());
  const idleSeconds = cpu() - processesIdle;
  const idleMachineSeconds = cpuOfMachine().seconds - machineIdle.seconds;

  const [machine, processes] = [cpuOfMachine(), cpu()];
  const load = { frameBytes: FRAME_BYTES, packetsPerSecond: PACKETS_PER_SECOND_EACH, seconds };
  const wires = Array.from({ length: LOADED_INTERFACES }, (_, wire) => bed.sending(wire));
  const generators = await Promise.all(wires.map((wire) => bench.generator.start(bed.namespace, wire, load)));
  await Promise.all(generators.map((generator) => generator.ended));
  const machineBusy = busyShare(machine, cpuOfMachine());
  await sleep(SETTLE_MS);
  const sent = generators.reduce((sum, { stdout }) => sum + Number(/sent (\d+)/.exec(stdout)?.[1] ?? NaN), 0);
  const packets = await capture.packets();
  return [
    capture.name,
    figure(capture.firstByteMs),
    percent(idleShare),
    percent(idleSeconds / idleMachineSeconds),
    figure(memoryOfTreesMiB([capture.pid]) - memoryBefore),
    percent(packets / sent),
    figure(((cpu() - processes) / packets) * 1e6),
    percent(machineBusy),
  ];
}
