import { Injectable, type OnModuleInit } from '@nestjs/common';
import { performance } from 'node:perf_hooks';
import { Counter, Gauge } from 'prom-client';
import { ServerEnvironment } from '../../shared/supervisor-link/supervisor-link.js';
import { ServiceMetrics } from './service-metrics.js';
import { serviceProcesses } from './service-processes.js';

/**
 * What the processes of the service take. Looked up when it is asked for: the library's own default metrics would keep a
 * timer running, and know this one process only.
 */
@Injectable()
export class ProcessMetrics implements OnModuleInit {
  constructor(
    private readonly metrics: ServiceMetrics,
    private readonly config: ServerEnvironment,
  ) {}

  onModuleInit(): void {
    const { registry } = this.metrics;
    const common = { labelNames: ['process'], registers: [registry] };
    const cpu = new Counter({
      name: 'packetflix_process_cpu_seconds_total',
      help: 'Processor time, user and system',
      ...common,
    });
    const memory = new Gauge({
      name: 'packetflix_process_resident_memory_bytes',
      help: 'Resident memory; the rings of captures are in that of engines',
      ...common,
    });
    const threads = new Gauge({ name: 'packetflix_process_threads', help: 'Threads', ...common });
    const busy = new Counter({
      name: 'packetflix_front_event_loop_busy_seconds_total',
      help: 'Time that the event loop of the server did not wait for anything; 1 a second is all that it can do',
      registers: [registry],
    });
    this.metrics.beforeTelling(async () => {
      const processes = await serviceProcesses(this.config.supervised);
      for (const metric of [cpu, memory, threads, busy]) metric.reset();
      for (const { name, cpuSeconds, residentBytes, threads: count } of processes) {
        cpu.inc({ process: name }, cpuSeconds);
        memory.set({ process: name }, residentBytes);
        threads.set({ process: name }, count);
      }
      busy.inc(performance.eventLoopUtilization().active / 1000);
    });
  }
}
