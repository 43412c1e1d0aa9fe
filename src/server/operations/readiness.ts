import { Injectable, type OnModuleDestroy } from '@nestjs/common';

/** Whether one part of the service does its work; the message is for the operator. */
export interface PartReadiness {
  readonly ready: boolean;
  readonly message: string;
}

/** Looks at one part. It should answer within seconds: whoever probes does not wait for long. */
export type ReadinessCheck = () => PartReadiness | Promise<PartReadiness>;

/** What `GET /readyz` answers: all parts, and whether every one of them is ready. */
export interface ReadinessReport {
  readonly ready: boolean;
  readonly parts: Readonly<Record<string, PartReadiness>>;
}

/** Probes come every few seconds, but strangers may ask as often as they like. */
const KEEP_MS = 1_000;

/**
 * Knows whether the service can do what it is there for. Parts add their own checks in `onModuleInit`.
 *
 * @publicApi
 */
@Injectable()
export class Readiness implements OnModuleDestroy {
  private readonly checks = new Map<string, ReadinessCheck>();
  private last?: { readonly atMs: number; readonly report: Promise<ReadinessReport> };
  private ending = false;

  /** @param part as `GET /readyz` calls it */
  add(part: string, check: ReadinessCheck): void {
    if (this.checks.has(part)) throw new Error(`There is a readiness check for ${part} already`);
    this.checks.set(part, check);
  }

  /** Never rejects. An answer is good for a second. */
  report(): Promise<ReadinessReport> {
    const nowMs = performance.now();
    if (!this.last || nowMs - this.last.atMs > KEEP_MS) this.last = { atMs: nowMs, report: this.look() };
    return this.last.report;
  }

  /** From now on captures are being brought to an end: nobody should send us new ones. */
  onModuleDestroy(): void {
    this.ending = true;
    this.last = undefined;
  }

  private async look(): Promise<ReadinessReport> {
    const parts = Object.fromEntries(
      await Promise.all([...this.checks].map(async ([part, check]) => [part, await outcome(check)] as const)),
    );
    if (this.ending) parts['service'] = { ready: false, message: 'shutting down' };
    return { ready: Object.values(parts).every(({ ready }) => ready), parts };
  }
}

/** A check that fails says that its part is not ready, whoever wrote it. */
async function outcome(check: ReadinessCheck): Promise<PartReadiness> {
  try {
    return await check();
  } catch (error) {
    return { ready: false, message: error instanceof Error ? error.message : String(error) };
  }
}
