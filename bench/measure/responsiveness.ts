import { setTimeout as sleep } from 'node:timers/promises';

const PAUSE_MS = 25;

/** Measures the response time of an HTTP request repeatedly until `stop`. */
export class Responsiveness {
  private stopped = false;
  private readonly done: Promise<number[]>;

  /** @param url a resource that is cheap to serve */
  constructor(url: string) {
    this.done = this.ask(url);
  }

  /** @returns milliseconds, ascending */
  stop(): Promise<number[]> {
    this.stopped = true;
    return this.done;
  }

  private async ask(url: string): Promise<number[]> {
    const times: number[] = [];
    while (!this.stopped) {
      const start = performance.now();
      try {
        await (await fetch(url)).text();
        times.push(performance.now() - start);
      } catch {
        times.push(Infinity); // the request failed
      }
      await sleep(PAUSE_MS);
    }
    return times.sort((a, b) => a - b);
  }
}
