import { readFileSync } from 'node:fs';

/** As much of Grafana's dashboard model as the picture needs. */
export interface Dashboard {
  readonly panels: readonly Panel[];
}

export interface Panel {
  readonly type: 'stat' | 'timeseries';
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly fieldConfig: { readonly defaults: { readonly unit: string } };
  readonly targets: readonly Target[];
}

export interface Target {
  readonly expr: string;
  /** May hold `{{label}}`. */
  readonly legendFormat: string;
}

export function readDashboard(path: string): Dashboard {
  return JSON.parse(readFileSync(path, 'utf8')) as Dashboard;
}

/** An expression with Grafana's variables replaced, as Prometheus takes it. */
export function expressionFor(expr: string, rateSeconds: number, rangeSeconds: number): string {
  return expr
    .replaceAll('$__rate_interval', `${rateSeconds}s`)
    .replaceAll('$__range', `${rangeSeconds}s`)
    .replaceAll('$instance', '.*');
}
