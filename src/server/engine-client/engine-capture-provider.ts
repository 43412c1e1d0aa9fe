import { Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { CaptureError } from '../../shared/protocol/capture-error.js';
import { askCompiler, type CompileGreeting } from '../../shared/protocol/compile.js';
import type { CaptureSpec, SetSpec } from '../../shared/protocol/capture-spec.js';
import type { EngineProblem } from '../../shared/protocol/protocol.js';
import type { ServerEnvironment } from '../../shared/supervisor-link/supervisor-link.js';
import {
  CaptureProvider,
  type Capture,
  type SetCapture,
  type SetObserver,
} from '../capture/capture-provider.js';
import type { PartReadiness, Readiness } from '../operations/readiness.js';
import type { ServiceMetrics } from '../operations/service-metrics.js';
import type { ClientConnection } from '../http/client-connection.js';
import { EngineConnection } from './engine-connection.js';
import { addEngineMetrics } from './engine-metrics.js';

/** Link type of Ethernet; https://www.tcpdump.org/linktypes.html */
const DLT_EN10MB = 1;

/** Engines start, and restart after a crash, within half a second. */
const ENGINE_TIMEOUT_MS = 10_000;

/**
 * Captures by engine processes, which have the privileges that the server lacks. The least busy engine is chosen. Where engines
 * start on demand, one starts as soon as all that run have captures, so that the next capture finds it ready.
 */
@Injectable()
export class EngineCaptureProvider extends CaptureProvider implements OnModuleInit, OnApplicationShutdown {
  private readonly engines: readonly EngineConnection[];
  /** The first engine compiles filters. */
  private readonly engineSockets: readonly string[];

  /**
   * @param readiness checks are added that say whether captures can begin
   * @param metrics of the engines are added
   * @param maxInFlightBytes maximum number of bytes of a capture that are read before its reader is done with them
   */
  constructor(
    { engineSockets, requestStart }: Pick<ServerEnvironment, 'engineSockets' | 'requestStart'>,
    private readonly readiness?: Readiness,
    private readonly metrics?: ServiceMetrics,
    maxInFlightBytes?: number,
  ) {
    super();
    this.engineSockets = engineSockets;
    // An idle engine stays while all others have captures: the next capture would have to share one of those.
    const mayRest = (idle: EngineConnection): boolean =>
      this.engines.some((each) => each !== idle && each.connected && each.captures === 0);
    const onDemand = requestStart && { requestStart, mayRest };
    this.engines = engineSockets.map(
      (path, index) => new EngineConnection(path, maxInFlightBytes, index > 0 ? onDemand : undefined),
    );
  }

  onModuleInit(): void {
    this.readiness?.add('engines', () => this.connectedEngines());
    this.readiness?.add('capabilities', () =>
      this.withoutProblems('capabilities', 'the engines have all that captures need'),
    );
    this.readiness?.add('libpcap', () => this.withoutProblems('libpcap', 'loaded'));
    if (this.metrics) addEngineMetrics(this.engines, this.metrics);
    for (const engine of this.engines) if (!engine.resting) engine.connect();
  }

  onApplicationShutdown(): void {
    for (const engine of this.engines) engine.close();
  }

  override open(spec: CaptureSpec, signal: AbortSignal, client?: ClientConnection): Promise<Capture> {
    return this.start(spec, signal, client);
  }

  override openSet(
    spec: SetSpec,
    observer: SetObserver,
    signal: AbortSignal,
    client?: ClientConnection,
  ): Promise<SetCapture> {
    return this.start(spec, signal, client, observer);
  }

  override async checkFilter(
    filter: string,
    client: string,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const [path] = this.engineSockets;
    const greeting: CompileGreeting = { type: 'compile', filter, dlt: DLT_EN10MB, client };
    const reply = path === undefined ? undefined : await askCompiler(path, greeting, signal);
    signal.throwIfAborted();
    if (!reply || 'failure' in reply) throw new CaptureError('internal', 'filters cannot be compiled now');
    return 'error' in reply ? reply.error : undefined;
  }

  private async start(
    spec: CaptureSpec | SetSpec,
    signal: AbortSignal,
    client?: ClientConnection,
    observer?: SetObserver,
  ): Promise<SetCapture> {
    const connected = this.engines.filter((engine) => engine.connected);
    if (connected.length === 0) this.keepOneFree();
    const engine = connected.length > 0 ? leastBusy(connected) : await this.firstConnected(signal);
    const capture = await engine.start(spec, signal, client, observer);
    this.keepOneFree();
    return capture;
  }

  /** Starts a resting engine, if there is one, when no connected engine is without captures. */
  private keepOneFree(): void {
    if (this.engines.some(({ connected, captures }) => connected && captures === 0)) return;
    this.engines.find(({ resting }) => resting)?.connect();
  }

  /** @throws CaptureError when no engine is connected in time */
  private async firstConnected(signal: AbortSignal): Promise<EngineConnection> {
    const timeout = AbortSignal.any([signal, AbortSignal.timeout(ENGINE_TIMEOUT_MS)]);
    try {
      return await Promise.any(this.engines.map((engine) => engine.whenConnected(timeout)));
    } catch (error) {
      throw new CaptureError('internal', 'the capture engine is not available', { cause: error });
    }
  }

  /** One is enough: it can run many captures, and the supervisor restarts the others. */
  private connectedEngines(): PartReadiness {
    const connected = this.engines.filter((engine) => engine.connected).length;
    const resting = this.engines.filter((engine) => engine.resting).length;
    const message = `${connected} of ${this.engines.length - resting} connected`;
    return {
      ready: connected > 0,
      message: resting > 0 ? `${message}, ${resting} start on demand` : message,
    };
  }

  /** All engines are the same program with the same privileges, so the first one that reported speaks for all. */
  private withoutProblems(part: EngineProblem['part'], messageIfReady: string): PartReadiness {
    const problems = this.engines.find((engine) => engine.problems)?.problems;
    if (!problems) return { ready: false, message: 'unknown: no engine has been connected yet' };
    const messages = problems.filter((problem) => problem.part === part).map(({ message }) => message);
    return messages.length === 0
      ? { ready: true, message: messageIfReady }
      : { ready: false, message: messages.join('; ') };
  }
}

function leastBusy(engines: readonly EngineConnection[]): EngineConnection {
  return engines.reduce((least, each) => (each.captures < least.captures ? each : least));
}
