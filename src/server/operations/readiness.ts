import { Injectable, type OnModuleDestroy } from '@nestjs/common';

/** The state of one part of the service. The message is for the operator. */
export interface PartReadiness {
  readonly ready: boolean;
  readonly message: string;
}

/** Checks one part. It should settle within a few seconds, because probes have short timeouts. */
export type ReadinessCheck = () => PartReadiness | Promise<PartReadiness>;

/** The answer of `GET /readyz`: the state of all parts, and whether all of them are ready. */
export interface ReadinessReport {
  readonly ready: boolean;
  readonly parts: Readonly<Record<string, PartReadiness>>;
}

/** Untrusted clients can ask at any rate, so that reports are cached. */
const CACHE_MS = 1_000;

/**
 * The readiness of the service: whether captures can start. Modules add checks of their parts in `onModuleInit`.
 *
 * @publicApi
 */
@Injectable()
export class Readiness implements OnModuleDestroy {
  private readonly checks = new Map<string, ReadinessCheck>();
  private last?: { readonly atMs: number; readonly report: Promise<ReadinessReport> };
  private ending = false;

  /** @param part name of the part in the answer of `GET /readyz` @throws Error if the part has a check already */
  add(part: string, check: ReadinessCheck): void {
    if (this.checks.has(part)) throw new Error(`${part} already has a readiness check`);
    this.checks.set(part, check);
  }

  /** Checks all parts, at most once a second. Never rejects. */
  report(): Promise<ReadinessReport> {
    const nowMs = performance.now();
    if (!this.last || nowMs - this.last.atMs > CACHE_MS) this.last = { atMs: nowMs, report: this.check() };
    return this.last.report;
  }

  /** Captures are being ended from now on, so the service must not get new ones. */
  onModuleDestroy(): void {
    this.ending = true;
    this.last = undefined;
  }

  private async check(): Promise<ReadinessReport> {
    const parts = Object.fromEntries(
      await Promise.all([...this.checks].map(async ([part, check]) => [part, await stateOf(check)] as const)),
    );
    if (this.ending) parts['service'] = { ready: false, message: 'shutting down' };
    return { ready: Object.values(parts).every(({ ready }) => ready), parts };
  }
}

/** If a check fails, its part is not ready. */
async function stateOf(check: ReadinessCheck): Promise<PartReadiness> {
  try {
    return await check();
  } catch (error) {
    return { ready: false, message: error instanceof Error ? error.message : String(error) };
  }
}
