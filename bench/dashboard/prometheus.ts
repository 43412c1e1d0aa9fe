import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child } from '../../test/kit/child.js';
import { eventually } from '../../test/kit/eventually.js';
import { freePort } from '../../test/kit/service.js';

/** One line of a graph, with one value per requested step; NaN where there is none. */
export interface Series {
  readonly labels: Readonly<Record<string, string>>;
  readonly values: readonly number[];
}

interface QueryAnswer {
  readonly status: string;
  readonly error?: string;
  readonly data?: {
    readonly result: readonly { metric: Record<string, string>; values: [number, string][] }[];
  };
}

/** A real Prometheus that scrapes one service every second. */
export class Prometheus implements AsyncDisposable {
  private constructor(
    private readonly child: Child,
    private readonly folder: string,
    private readonly url: string,
  ) {}

  /** @param target `host:port` of the service */
  static async start(target: string): Promise<Prometheus> {
    const folder = mkdtempSync(join(tmpdir(), 'packetflix-prometheus-'));
    const port = await freePort();
    const configuration = {
      global: { scrape_interval: '1s' },
      scrape_configs: [{ job_name: 'packetflix', static_configs: [{ targets: [target] }] }],
    };
    // JSON is YAML.
    writeFileSync(join(folder, 'prometheus.yml'), JSON.stringify(configuration));
    const child = await Child.start('prometheus', [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ]);
    const prometheus = new Prometheus(child, folder, `http://127.0.0.1:${port}`);
    await eventually('Prometheus', async () => (await fetch(`${prometheus.url}/-/ready`)).ok, 30_000);
    return prometheus;
  }

  /** @throws Error if Prometheus rejects the expression */
  async query(expr: string, fromSeconds: number, toSeconds: number, stepSeconds: number): Promise<Series[]> {
    const query = new URLSearchParams({
      query: expr,
      start: String(fromSeconds),
      end: String(toSeconds),
      step: String(stepSeconds),
    });
    const response = await fetch(`${this.url}/api/v1/query_range?${query.toString()}`);
    const { data, error } = (await response.json()) as QueryAnswer;
    if (!data) throw new Error(`${expr}: ${error}`);
    const steps = Math.floor((toSeconds - fromSeconds) / stepSeconds) + 1;
    return data.result.map(({ metric, values }) => {
      const byStep = Array<number>(steps).fill(NaN);
      for (const [at, value] of values) byStep[Math.round((at - fromSeconds) / stepSeconds)] = Number(value);
      return { labels: metric, values: byStep };
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.child[Symbol.asyncDispose]();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
