/**
 * A time in nanoseconds since 1970 as two words, as pcapng has it. second × 10⁹ would lose its last digits as a double,
 * so it is multiplied in halves of 16 bits, once per second.
 */
export class PacketTimestamp {
  high = 0;
  low = 0;
  private second = -1;
  private secondHigh = 0;
  private secondLow = 0;

  set(second: number, nanosecond: number): void {
    if (second !== this.second) this.splitSecond(second);
    const low = this.secondLow + nanosecond;
    this.high = low > 0xffff_ffff ? this.secondHigh + 1 : this.secondHigh;
    this.low = low >>> 0;
  }

  private splitSecond(second: number): void {
    const upper = (second >>> 16) * 1e9; // × 2¹⁶
    const lower = (upper % 65536) * 65536 + (second & 0xffff) * 1e9;
    this.second = second;
    this.secondHigh = Math.floor(upper / 65536) + Math.floor(lower / 0x1_0000_0000);
    this.secondLow = lower % 0x1_0000_0000;
  }
}
