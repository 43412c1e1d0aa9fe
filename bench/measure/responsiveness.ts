import { setTimeout as sleep } from 'node:timers/promises';

const EVERY_MS = 25;

/** How long an HTTP request takes, again and again until `stop`. */
export class Responsiveness {
  private stopped = false;
  private readonly done: Promise<number[]>;

  /** @param url of something that costs nothing to answer */
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
        times.push(Infinity);
      }
      await sleep(EVERY_MS);
    }
    return times.sort((a, b) => a - b);
  }
}
