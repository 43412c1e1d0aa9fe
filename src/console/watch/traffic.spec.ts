import { Traffic } from './traffic.js';

describe('Traffic', () => {
  it('counts packets and bytes in the second in which they come', () => {
    const traffic = new Traffic(5_500);
    traffic.count(5_600, 100);
    traffic.count(5_900, 50);
    traffic.count(7_000, 1);
    const { packets, bytes } = traffic.rates(8_000);
    expect(packets).toHaveLength(Traffic.SECONDS - 1);
    expect(packets.slice(-4)).toEqual([0, 2, 0, 1]);
    expect(bytes.slice(-3)).toEqual([150, 0, 1]);
  });

  it('leaves out the second that is not complete', () => {
    const traffic = new Traffic(0);
    traffic.count(100, 1);
    expect(traffic.rates(900).packets.at(-1)).toBe(0);
    expect(traffic.rates(1_000).packets.at(-1)).toBe(1);
  });

  it('forgets what is older than a minute, also after a long sleep', () => {
    const traffic = new Traffic(0);
    traffic.count(100, 1);
    expect(traffic.rates(59_500).packets[0]).toBe(1);
    expect(traffic.rates(60_500).packets.every((count) => count === 0)).toBe(true);
    traffic.count(1e9, 1);
    expect(traffic.rates(1e9 + 1_000).packets.reduce((sum, count) => sum + count, 0)).toBe(1);
  });
});
