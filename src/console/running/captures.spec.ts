import type { ListedCapture } from '../../shared/api/listed-capture.js';
import { ratesBetween } from './captures.js';

function capture(attributes: Partial<ListedCapture>): ListedCapture {
  return {
    name: 'brave-amber-otter',
    target: 'web',
    isSet: false,
    interfaces: [],
    filter: '',
    client: '192.0.2.1 port 4711',
    since: '2026-01-01T00:00:00.000Z',
    transport: 'websocket',
    bytes: 0,
    stalled: false,
    mayEnd: true,
    ...attributes,
  };
}

describe('Rates', () => {
  it('are differences by time', () => {
    const before = { time: 1000, captures: [capture({ bytes: 1000, packets: 10 })] };
    const after = { time: 3000, captures: [capture({ bytes: 5000, packets: 30 })] };
    expect([...ratesBetween(before, after)]).toEqual([['brave-amber-otter', { bytes: 2000, packets: 10 }]]);
  });

  it('are unknown at first, and for another capture of the same name', () => {
    const before = { time: 1000, captures: [capture({ bytes: 1000 })] };
    const after = { time: 3000, captures: [capture({ bytes: 5000, since: '2026-01-01T00:00:01.000Z' })] };
    expect(ratesBetween(undefined, before).size).toBe(0);
    expect(ratesBetween(before, after).size).toBe(0);
  });
});
