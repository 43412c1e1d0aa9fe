/** A running capture as `GET captures` lists it, see docs/api.md. */
export interface RunningCapture {
  readonly name: string;
  /** Empty where only the number of the network namespace was given. */
  readonly target: string;
  /** Whether it is a set. */
  readonly targets: boolean;
  readonly netns?: number;
  readonly interfaces: readonly string[];
  readonly filter: string;
  readonly client: string;
  readonly user?: string;
  /** ISO 8601. */
  readonly since: string;
  readonly transport: string;
  readonly bytes: number;
  readonly packets?: number;
  readonly dropped?: number;
  /** Whether the client accepts nothing at present. */
  readonly stalled: boolean;
  /** Whether the user of the page may end it. */
  readonly own: boolean;
}

/** The captures at a time in milliseconds. */
export interface CapturesAt {
  readonly time: number;
  readonly captures: readonly RunningCapture[];
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

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];

/** With three digits, such as `12.3 MB`. */
export function bytesText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  for (; value >= 999.5 && unit < UNITS.length - 1; unit++) value /= 1000;
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toPrecision(3)} ${UNITS[unit]}`;
}

/** Such as `12s`, `3m 05s`, `2h 10m` or `4d 3h`. */
export function elapsedText(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  const two = (value: number): string => String(value).padStart(2, '0');
  if (minutes === 0) return `${seconds}s`;
  if (hours === 0) return `${minutes}m ${two(seconds % 60)}s`;
  if (hours < 24) return `${hours}h ${two(minutes % 60)}m`;
  return `${Math.floor(hours / 24)}d ${hours % 24}h`;
}
