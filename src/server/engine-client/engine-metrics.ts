import { Counter, Gauge } from 'prom-client';
import type { EngineReport } from '../../shared/protocol/protocol.js';
import type { ServiceMetrics } from '../operations/service-metrics.js';

/** What counts of an engine's link here. */
interface Link {
  readonly connected: boolean;
  /** How often an engine came back after it was lost. */
  readonly restarts: number;
  /** Undefined: the engine is not there, or does not answer in time. */
  report(): Promise<EngineReport | undefined>;
}

/**
 * What the engines have done, one by one: their counters begin at 0 when an engine is started again, as those of
 * Prometheus may. They are asked when somebody asks for metrics, so that totals move while captures run, and nothing
 * is sent when nobody looks.
 */
export function addEngineMetrics(links: readonly Link[], metrics: ServiceMetrics): void {
  const common = { labelNames: ['engine'], registers: [metrics.registry] };
  const counter = (name: string, help: string) =>
    new Counter({ name: `packetflix_${name}`, help, ...common });
  const gauge = (name: string, help: string) => new Gauge({ name: `packetflix_${name}`, help, ...common });

  const connected = gauge('engine_connected', 'Whether the engine is there: 1 or 0');
  const restarts = counter('engine_restarts_total', 'How often the engine was lost and came back');
  const captures = gauge('engine_captures', 'Captures that the engine runs');
  const packets = counter('packets_total', 'Packets delivered, running captures included');
  const bytes = counter('packet_bytes_total', 'Bytes of the packets delivered, as far as they were captured');
  const drops = counter(
    'kernel_dropped_packets_total',
    'Packets that the kernel dropped, as a ring was full',
  );
  const ringBytes = gauge('ring_bytes', 'Memory set aside for the rings of captures');
  const mostRingBytes = gauge('ring_limit_bytes', 'Memory that there is for rings');
  const lastReports = new Map<number, EngineReport>();

  const setEngine = (link: Link, index: number, fresh: EngineReport | undefined): void => {
    const engine = { engine: String(index) };
    // One that is too busy to answer now has not lost its counts.
    const report = fresh ?? lastReports.get(index);
    connected.set(engine, link.connected ? 1 : 0);
    restarts.inc(engine, link.restarts);
    if (!report || !link.connected) {
      lastReports.delete(index);
      return;
    }
    lastReports.set(index, report);
    captures.set(engine, report.captures);
    packets.inc(engine, report.totals.packets);
    bytes.inc(engine, report.totals.bytes);
    drops.inc(engine, report.totals.dropped);
    ringBytes.set(engine, report.ringBytes);
    mostRingBytes.set(engine, report.mostRingBytes);
  };
  metrics.beforeTelling(async () => {
    const reports = await Promise.all(links.map((link) => link.report()));
    // All at once and always in the same order, whoever answers first.
    for (const metric of [connected, restarts, captures, packets, bytes, drops, ringBytes, mostRingBytes]) {
      metric.reset();
    }
    links.forEach((link, index) => setEngine(link, index, reports[index]));
  });
}
