import { Traffic } from './traffic.js';

const HEIGHT = 24;
const WIDTH = Traffic.SECONDS - 2;

/** A curve of the last minute, with its newest and its highest value. */
export function TrafficPicture({
  what,
  values,
  text,
}: {
  readonly what: string;
  readonly values: readonly number[];
  /** Formats a value. */
  readonly text: (value: number) => string;
}) {
  const highest = Math.max(...values);
  const now = values.at(-1) ?? 0;
  const points = values.map((value, second) => {
    const y = highest > 0 ? HEIGHT - 1 - (value / highest) * (HEIGHT - 3) : HEIGHT - 1;
    return `${second},${y.toFixed(2)}`;
  });
  const label = `${what} over the last minute: ${text(now)} now, ${text(highest)} at most`;
  return (
    <div class="watch-traffic" title={label}>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={label}>
        <polygon points={`0,${HEIGHT} ${points.join(' ')} ${WIDTH},${HEIGHT}`} />
        <polyline points={points.join(' ')} />
      </svg>
      <span aria-hidden="true">{text(now)}</span>
    </div>
  );
}
