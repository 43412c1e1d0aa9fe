import { parseLimits, type LimitParameter } from './capture-limits.js';

/** Limits as a client requests them. */
const requesting =
  (values: Partial<Record<LimitParameter, string>>) =>
  (name: LimitParameter): string | undefined =>
    values[name];

describe('The limits of a capture', () => {
  it('are absent when neither the request nor the service sets any', () => {
    expect(parseLimits(requesting({}), {})).toEqual({});
  });

  it('are those of the request when the service sets none, or greater ones', () => {
    const requested = requesting({ duration: '5', 'max-bytes': '6', 'max-packets': '7', snaplen: '8' });
    const limits = {
      duration: { max: 5, setBy: 'request' },
      bytes: { max: 6, setBy: 'request' },
      packets: { max: 7, setBy: 'request' },
    };
    expect(parseLimits(requested, {})).toEqual({ limits, snapshotLength: 8 });
    const maxima = { maxDurationSeconds: 6, maxBytes: 6, maxPackets: 70, maxSnapshotLength: 9 };
    expect(parseLimits(requested, maxima)).toEqual({ limits, snapshotLength: 8 });
  });

  it('are those of the service when the request sets none, or greater ones', () => {
    const maxima = { maxDurationSeconds: 5, maxBytes: 6, maxPackets: 7, maxSnapshotLength: 8 };
    const limits = {
      duration: { max: 5, setBy: 'service' },
      bytes: { max: 6, setBy: 'service' },
      packets: { max: 7, setBy: 'service' },
    };
    expect(parseLimits(requesting({}), maxima)).toEqual({ limits, snapshotLength: 8 });
    const requested = requesting({ duration: '6', 'max-bytes': '60', 'max-packets': '8', snaplen: '9' });
    expect(parseLimits(requested, maxima)).toEqual({ limits, snapshotLength: 8 });
  });
});
