import { Counter, Gauge } from 'prom-client';
import type { EngineReport } from '../../shared/protocol/protocol.js';
import type { ServiceMetrics } from '../operations/service-metrics.js';

/** What is measured of an engine. */
interface MeasuredEngine {
  readonly connected: boolean;
  /** Whether it is not running because there is too little to do. */
  readonly resting: boolean;
  /** How often the engine came back after it was lost. */
  readonly restarts: number;
  /** Undefined: the engine is not connected. */
  report(): Promise<EngineReport | undefined>;
}

/**
 * Metrics of each engine, with its number as label. Engines are asked when metrics are collected, so that totals
 * include running captures. After a restart of an engine its counters begin at 0, as Prometheus allows.
 */
export function addEngineMetrics(engines: readonly MeasuredEngine[], { registry }: ServiceMetrics): void {
  const add = (
    Metric: typeof Counter | typeof Gauge,
    name: string,
    help: string,
    valueOf: (engine: MeasuredEngine, report?: EngineReport) => number | undefined,
  ): void => {
    new Metric({
      name: `packetflix_${name}`,
      help,
      labelNames: ['engine'],
      registers: [registry],
      async collect(this: Counter | Gauge) {
        const reports = await Promise.all(engines.map((engine) => engine.report()));
        this.reset();
        for (const [index, engine] of engines.entries()) {
          const value = valueOf(engine, reports[index]);
          if (value !== undefined) this.inc({ engine: String(index) }, value);
        }
      },
    });
  };

  add(
    Gauge,
    'engine_connected',
    'Whether the server is connected to the engine: 1 or 0. Absent while it is not running: it starts on demand',
    ({ connected, resting }) => (resting ? undefined : Number(connected)),
  );
  add(
    Counter,
    'engine_restarts_total',
    'Times that the engine came back after the connection to it was lost',
    ({ restarts }) => restarts,
  );
  add(Gauge, 'engine_captures', 'Captures that the engine runs', (_, report) => report?.captures);
  add(
    Counter,
    'packets_total',
    'Packets delivered, including those of running captures',
    (_, report) => report?.totals.packets,
  );
  add(
    Counter,
    'packet_bytes_total',
    'Captured bytes of the packets delivered',
    (_, report) => report?.totals.bytes,
  );
  add(
    Counter,
    'kernel_dropped_packets_total',
    'Packets that the kernel dropped because a ring was full',
    (_, report) => report?.totals.dropped,
  );
  add(Gauge, 'ring_bytes', 'Ring memory in use', (_, report) => report?.ringBytes);
  add(Gauge, 'ring_limit_bytes', 'Maximum ring memory', (_, report) => report?.maxRingBytes);
}
