import { jest } from '@jest/globals';
import { ClientStalls } from './client-stalls.js';

describe('ClientStalls', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  it('counts a client that does not read, once, and for how long', () => {
    const stalls = new ClientStalls();
    const client = { acceptedBytes: 600, waitingBytes: 400 };
    const unwatch = stalls.watch(client);
    jest.advanceTimersByTime(3_000);
    expect(stalls).toMatchObject({ count: 1, now: 1 });
    expect(stalls.seconds).toBeCloseTo(3);

    client.waitingBytes = 0;
    jest.advanceTimersByTime(1_000);
    expect(stalls).toMatchObject({ count: 1, now: 0 });
    expect(stalls.seconds).toBeCloseTo(3);

    Object.assign(client, { acceptedBytes: 1700, waitingBytes: 300 });
    jest.advanceTimersByTime(2_000);
    expect(stalls.count).toBe(2);
    unwatch();
    expect(stalls.now).toBe(0);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('does not count a client that reads slowly', () => {
    const stalls = new ClientStalls();
    const client = { acceptedBytes: 600, waitingBytes: 400 };
    stalls.watch(client);
    for (let second = 0; second < 5; second++) {
      client.acceptedBytes += 100;
      jest.advanceTimersByTime(1_000);
    }
    expect(stalls).toMatchObject({ count: 0, now: 0, seconds: 0 });
  });

  it('does not count a client for which nothing waits', () => {
    const stalls = new ClientStalls();
    stalls.watch({ acceptedBytes: 1000, waitingBytes: 0 });
    jest.advanceTimersByTime(5_000);
    expect(stalls.count).toBe(0);
  });
});
