import { effectiveLimits } from './effective-limits.js';

describe('effectiveLimits', () => {
  it('are none where nobody wants any', () => {
    expect(effectiveLimits({}, {})).toEqual({});
  });

  it('are those of the request where the service has none, or greater ones', () => {
    const requested = { durationSeconds: 5, bytes: 6, packets: 7, snapshotLength: 8 };
    const limits = {
      duration: { atMost: 5, setBy: 'request' },
      bytes: { atMost: 6, setBy: 'request' },
      packets: { atMost: 7, setBy: 'request' },
    };
    expect(effectiveLimits(requested, {})).toEqual({ limits, snapshotLength: 8 });
    const maxima = { maxDurationSeconds: 6, maxBytes: 6, maxPackets: 70, maxSnapshotLength: 9 };
    expect(effectiveLimits(requested, maxima)).toEqual({ limits, snapshotLength: 8 });
  });

  it('are those of the service where the request has none, or greater ones', () => {
    const maxima = { maxDurationSeconds: 5, maxBytes: 6, maxPackets: 7, maxSnapshotLength: 8 };
    const limits = {
      duration: { atMost: 5, setBy: 'service' },
      bytes: { atMost: 6, setBy: 'service' },
      packets: { atMost: 7, setBy: 'service' },
    };
    expect(effectiveLimits({}, maxima)).toEqual({ limits, snapshotLength: 8 });
    const requested = { durationSeconds: 6, bytes: 60, packets: 8, snapshotLength: 9 };
    expect(effectiveLimits(requested, maxima)).toEqual({ limits, snapshotLength: 8 });
  });
});
