import { LivenessTiming } from './client-liveness.js';
import { LivenessProbe } from './liveness-probe.js';
import type { TcpState } from './tcp-table.js';

const SECOND = 1000;

/** A client that a test simulates second by second. */
class SimulatedClient {
  isOpen = true;
  receivedBytes = 0;
  acceptedBytes = 0;
  waitingBytes = 0;
  pings = 0;
  /** Bytes that the peer's kernel has acknowledged. */
  acknowledgedBytes = 0;
  unansweredProbes: number | undefined = undefined;
  known = true;
  looks = 0;
  private nowSeconds = 0;
  private readonly probe = new LivenessProbe(this, new LivenessTiming(), 0);

  ping(): void {
    this.pings++;
    this.acceptedBytes += 2;
  }

  /** Simulates seconds until the client counts as gone; returns how many that took, or undefined. */
  live(seconds: number, everySecond: (second: number) => void = () => undefined): number | undefined {
    const begin = this.nowSeconds;
    while (this.nowSeconds < begin + seconds) {
      this.nowSeconds++;
      everySecond(this.nowSeconds - begin);
      const nowMs = this.nowSeconds * SECOND;
      if (!this.probe.poll(nowMs)) continue;
      this.looks++;
      if (this.probe.isGone(this.tcp, this.acceptedBytes, nowMs)) return this.nowSeconds - begin;
    }
    return undefined;
  }

  private get tcp(): TcpState | undefined {
    if (!this.known) return undefined;
    const unacknowledgedBytes = this.acceptedBytes - this.acknowledgedBytes;
    const { unansweredProbes } = this;
    return { unacknowledgedBytes, ...(unansweredProbes === undefined ? {} : { unansweredProbes }) };
  }
}

describe('LivenessProbe', () => {
  const simulated = (facts: Partial<SimulatedClient> = {}) => Object.assign(new SimulatedClient(), facts);
  /** Reads everything and answers every ping. */
  const well = (client: SimulatedClient) => () => {
    client.acknowledgedBytes = client.acceptedBytes;
    client.receivedBytes = client.pings * 6;
  };

  it('pings every 20 s, and asks for the TCP state only during silence', () => {
    const client = simulated();
    expect(client.live(3600, well(client))).toBeUndefined();
    expect(client.pings).toBeGreaterThanOrEqual(171);
    expect(client.pings).toBeLessThanOrEqual(180);
    expect(client.looks).toBe(0);
  });

  it.each(Array.from({ length: 22 }, (_, second) => 100 + second))(
    'notices within 40 s that a quiet client disappeared in second %d',
    (second) => {
      const client = simulated();
      client.live(second, well(client));
      expect(client.live(200)).toBeLessThanOrEqual(38);
    },
  );

  it('waits at least 10 s for the answer to a ping', () => {
    const client = simulated();
    client.live(105, well(client));
    const pings = client.pings;
    let lastPing = Infinity;
    const gone = client.live(200, (second) =>
      client.pings > pings ? (lastPing = Math.min(lastPing, second)) : 0,
    );
    expect((gone ?? 0) - lastPing).toBeGreaterThan(10);
  });

  it('notices within 40 s that a client disappeared while the kernel still accepts a few packets', () => {
    const client = simulated();
    client.live(100, well(client));
    expect(client.live(200, () => (client.acceptedBytes += 500))).toBeLessThanOrEqual(38);
  });

  it('notices within two minutes that a busy client disappeared', () => {
    const client = simulated({ waitingBytes: 1 });
    client.live(300, () => (client.acknowledgedBytes = client.acceptedBytes += 1_000_000));
    client.acceptedBytes += 4_000_000;
    const gone = client.live(300) ?? NaN;
    expect(gone).toBeGreaterThan(60);
    expect(gone).toBeLessThanOrEqual(100);
  });

  it('tolerates a network failure of a minute while the capture is busy', () => {
    const client = simulated({ waitingBytes: 1, acceptedBytes: 4_000_000 });
    for (let round = 0; round < 20; round++) {
      expect(
        client.live(30, () => (client.acknowledgedBytes = client.acceptedBytes += 1_000_000)),
      ).toBeUndefined();
      expect(client.live(60)).toBeUndefined();
    }
  });

  it('keeps a client that reads 64 KiB/s and has 36 MiB to read before a ping', () => {
    const client = simulated({ acceptedBytes: 36 << 20 });
    const read = () =>
      (client.acknowledgedBytes = Math.min(client.acknowledgedBytes + 65_536, client.acceptedBytes));
    // Nothing new is captured, and much of it is in the client's own kernel, acknowledged long ago.
    expect(client.live(600, read)).toBeUndefined();
    // New packets keep arriving.
    client.waitingBytes = 1;
    expect(
      client.live(3600, () => {
        read();
        client.acceptedBytes += 65_536;
      }),
    ).toBeUndefined();
  });

  it('keeps a stopped program whose kernel acknowledges', () => {
    const client = simulated();
    expect(client.live(3600, () => (client.acknowledgedBytes = client.acceptedBytes))).toBeUndefined();
    expect(client.pings).toBeGreaterThan(100);
  });

  it('keeps a stopped program with a zero window', () => {
    const client = simulated({ waitingBytes: 1, acceptedBytes: 1e6, unansweredProbes: 0 });
    expect(client.live(3600)).toBeUndefined();
  });

  it('tolerates the loss of one window probe, though the next one is sent two minutes later', () => {
    const client = simulated({ waitingBytes: 1, acceptedBytes: 1e6, unansweredProbes: 0 });
    client.live(300);
    client.unansweredProbes = 1;
    expect(client.live(240)).toBeUndefined();
    client.unansweredProbes = 0;
    expect(client.live(300)).toBeUndefined();
  });

  it('notices that a client with a zero window disappeared', () => {
    const client = simulated({ waitingBytes: 1, acceptedBytes: 1e6, unansweredProbes: 0 });
    client.live(30);
    client.unansweredProbes = 1;
    client.live(26);
    client.unansweredProbes = 2;
    expect(client.live(200)).toBeLessThanOrEqual(90 - 26);
  });

  it('does not mistake a chunk that the kernel accepts late for a sign of life', () => {
    const client = simulated({ waitingBytes: 200_000, acceptedBytes: 4e6, acknowledgedBytes: 3e6 });
    client.live(30);
    // Counted as accepted only now, although the kernel held it before.
    client.acceptedBytes += 200_000;
    client.acknowledgedBytes += 0;
    expect(client.live(200)).toBeLessThanOrEqual(92);
  });

  it('leaves a connection whose TCP state is unknown to the kernel', () => {
    const client = simulated({ known: false });
    expect(client.live(3600)).toBeUndefined();
  });

  it('does nothing after the close', () => {
    const client = simulated({ isOpen: false });
    expect(client.live(3600)).toBeUndefined();
    expect(client.pings).toBe(0);
  });
});
