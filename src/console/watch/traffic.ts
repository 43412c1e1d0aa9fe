/** Packets and bytes per second over the last minute. */
export class Traffic {
  static readonly SECONDS = 60;
  private readonly packets = new Array<number>(Traffic.SECONDS).fill(0);
  private readonly bytes = new Array<number>(Traffic.SECONDS).fill(0);
  private second: number;

  constructor(now: number) {
    this.second = Math.floor(now / 1000);
  }

  /** @param now in milliseconds, of a clock that does not go back */
  count(now: number, bytes: number): void {
    this.advance(now);
    const index = this.second % Traffic.SECONDS;
    this.packets[index] = (this.packets[index] ?? 0) + 1;
    this.bytes[index] = (this.bytes[index] ?? 0) + bytes;
  }

  /** The complete seconds before `now`, oldest first. */
  rates(now: number): { readonly packets: readonly number[]; readonly bytes: readonly number[] } {
    this.advance(now);
    const inOrder = (values: readonly number[]) =>
      Array.from(
        { length: Traffic.SECONDS - 1 },
        (_, index) => values[(this.second + 1 + index) % Traffic.SECONDS] ?? 0,
      );
    return { packets: inOrder(this.packets), bytes: inOrder(this.bytes) };
  }

  private advance(now: number): void {
    const second = Math.floor(now / 1000);
    if (second - this.second > Traffic.SECONDS) this.second = second - Traffic.SECONDS;
    while (this.second < second) {
      this.second++;
      this.packets[this.second % Traffic.SECONDS] = this.bytes[this.second % Traffic.SECONDS] = 0;
    }
  }
}
