import { readFileSync } from 'node:fs';

/** The part of Grafana's dashboard model that the picture needs. */
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
  /** May contain `{{label}}`. */
  readonly legendFormat: string;
}

export function readDashboard(path: string): Dashboard {
  return JSON.parse(readFileSync(path, 'utf8')) as Dashboard;
}

/** Replaces Grafana's variables, so that Prometheus accepts the expression. */
export function expressionFor(expr: string, rateSeconds: number, rangeSeconds: number): string {
  return expr
    .replaceAll('$__rate_interval', `${rateSeconds}s`)
    .replaceAll('$__range', `${rangeSeconds}s`)
    .replaceAll('$instance', '.*');
}
