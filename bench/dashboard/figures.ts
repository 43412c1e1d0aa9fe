const STEPS = [
  { factor: 1e9, prefix: 'G' },
  { factor: 1e6, prefix: 'M' },
  { factor: 1e3, prefix: 'k' },
] as const;

/** A value as a panel of that unit shows it; the units are Grafana's. */
export function inUnit(value: number, unit: string): string {
  switch (unit) {
    case 'bytes':
      return `${scaled(value)}B`;
    case 'Bps':
      return `${scaled(value)}B/s`;
    case 'pps':
      return `${scaled(value)} p/s`;
    case 'reqps':
      return `${scaled(value)}/s`;
    case 'percentunit':
      return `${digits(value * 100)} %`;
    case 's':
      return value < 1 ? `${digits(value * 1000)} ms` : `${digits(value)} s`;
    default:
      return scaled(value);
  }
}

function scaled(value: number): string {
  const step = STEPS.find(({ factor }) => Math.abs(value) >= factor);
  return step ? `${digits(value / step.factor)} ${step.prefix}` : digits(value);
}

function digits(value: number): string {
  return String(Number(value.toPrecision(3)));
}
