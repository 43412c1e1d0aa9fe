import type { ListedCapture } from '../../shared/api/listed-capture.js';

/** The captures at a time in milliseconds. */
export interface CapturesAt {
  readonly time: number;
  readonly captures: readonly ListedCapture[];
}

export interface Rate {
  readonly bytes: number;
  readonly packets?: number;
}

/** What each capture has sent per second between two times, by name; none for those that are new. */
export function ratesBetween(before: CapturesAt | undefined, after: CapturesAt): ReadonlyMap<string, Rate> {
  const rates = new Map<string, Rate>();
  const seconds = before ? (after.time - before.time) / 1000 : 0;
  if (!before || seconds <= 0) return rates;
  const known = new Map(before.captures.map((capture) => [capture.name, capture]));
  for (const { name, since, bytes, packets } of after.captures) {
    const earlier = known.get(name);
    if (!earlier || earlier.since !== since) continue;
    const perSecond = (now: number, then: number): number => Math.max(0, now - then) / seconds;
    rates.set(name, {
      bytes: perSecond(bytes, earlier.bytes),
      ...(packets !== undefined &&
        earlier.packets !== undefined && { packets: perSecond(packets, earlier.packets) }),
    });
  }
  return rates;
}
