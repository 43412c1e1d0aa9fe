import { Injectable, type OnModuleInit } from '@nestjs/common';
import { readFile } from 'node:fs/promises';
import { performance } from 'node:perf_hooks';
import { Counter, Gauge } from 'prom-client';
import { ServerEnvironment } from '../../shared/supervisor-link/supervisor-link.js';
import { oncePerScrape, ServiceMetrics } from './service-metrics.js';

/** USER_HZ, the unit of times in /proc: 100 on all supported architectures; see proc_pid_stat(5) and sysconf(3). */
const TICKS_PER_SECOND = 100;

/** Indexes of the fields of proc_pid_stat(5) that follow the name of the process. */
const USER_TIME = 14 - 3;
const SYSTEM_TIME = 15 - 3;

const OWN_TITLE = /^packetflix: (engine \d+|discoverer)/;

interface ProcessUsage {
  /** `server`, `supervisor`, `engine-0`, `discoverer`: a label with few values. */
  readonly name: string;
  readonly cpuSeconds: number;
  readonly residentBytes: number;
  readonly threads: number;
}

/**
 * The resources that the processes of the service use, read from /proc at each scrape. The default metrics of
 * prom-client would keep a timer running and include this process only.
 */
@Injectable()
export class ProcessMetrics implements OnModuleInit {
  constructor(
    private readonly metrics: ServiceMetrics,
    private readonly environment: ServerEnvironment,
  ) {}

  onModuleInit(): void {
    const registers = [this.metrics.registry];
    const labelNames = ['process'];
    const usages = oncePerScrape(() => processUsages(this.environment.supervised));
    new Counter({
      name: 'packetflix_process_cpu_seconds_total',
      help: 'Processor time, user and system',
      labelNames,
      registers,
      async collect() {
        const found = await usages();
        this.reset();
        for (const { name, cpuSeconds } of found) this.inc({ process: name }, cpuSeconds);
      },
    });
    const gauge = (name: string, help: string, valueOf: (usage: ProcessUsage) => number) =>
      new Gauge({
        name,
        help,
        labelNames,
        registers,
        async collect() {
          const found = await usages();
          this.reset();
          for (const usage of found) this.set({ process: usage.name }, valueOf(usage));
        },
      });
    gauge(
      'packetflix_process_resident_memory_bytes',
      'Resident memory; that of engines includes the rings of captures',
      ({ residentBytes }) => residentBytes,
    );
    gauge('packetflix_process_threads', 'Threads', ({ threads }) => threads);
    new Counter({
      name: 'packetflix_server_event_loop_busy_seconds_total',
      help: 'Event-loop active seconds of the server process',
      registers,
      collect() {
        this.reset();
        this.inc(performance.eventLoopUtilization().active / 1000);
      },
    });
  }
}

/**
 * The usage of this process and, if it is supervised, of the supervisor and its other children, which any user may
 * read. If /proc is mounted with `hidepid`, only that of this process.
 */
async function processUsages(supervised: boolean): Promise<ProcessUsage[]> {
  const { pid, ppid } = process;
  const readings = [readUsage(pid, 'server')];
  if (supervised) {
    readings.push(readUsage(ppid, 'supervisor'));
    const children = await readText(`/proc/${ppid}/task/${ppid}/children`);
    const siblings = children.split(' ').filter(Boolean).map(Number);
    for (const sibling of siblings.filter((each) => each !== pid)) readings.push(readTitledUsage(sibling));
  }
  return (await Promise.all(readings)).filter((each) => each !== undefined);
}

/** Engines and the discoverer are recognized by their process titles. */
async function readTitledUsage(pid: number): Promise<ProcessUsage | undefined> {
  const title = OWN_TITLE.exec(await readText(`/proc/${pid}/cmdline`))?.[1];
  return title === undefined ? undefined : readUsage(pid, title.replace(' ', '-'));
}

async function readUsage(pid: number, name: string): Promise<ProcessUsage | undefined> {
  const [stat, status] = await Promise.all([readText(`/proc/${pid}/stat`), readText(`/proc/${pid}/status`)]);
  if (stat === '' || status === '') return undefined;
  // The name may contain spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return {
    name,
    cpuSeconds: (Number(fields[USER_TIME]) + Number(fields[SYSTEM_TIME])) / TICKS_PER_SECOND,
    residentBytes: numberIn(status, /^VmRSS:\s+(\d+) kB$/m) * 1024,
    threads: numberIn(status, /^Threads:\s+(\d+)$/m),
  };
}

function numberIn(status: string, pattern: RegExp): number {
  return Number(pattern.exec(status)?.[1] ?? 0);
}

/** Empty if the process has ended or is hidden. */
function readText(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '');
}
