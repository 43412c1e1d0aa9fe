import { describeMissingCapabilities } from './capabilities.js';
import { CapabilitySet } from './capabilities.js';

const withMask = (mask: string) =>
  CapabilitySet.fromStatus(`Name:\tnode\nCapPrm:\t0\nCapEff:\t${mask}\nCapBnd:\t0\n`);
const ALL = withMask('000001ffffffffff');
const NONE = withMask('0000000000000000');

describe('CapabilitySet', () => {
  it('reads the bits of CapEff', () => {
    const onlyNetRaw = withMask('0000000000002000');
    expect(onlyNetRaw.has('NET_RAW')).toBe(true);
    expect(onlyNetRaw.has('SYS_ADMIN')).toBe(false);
  });

  it('reads the other sets, too', () => {
    expect(CapabilitySet.fromStatus('CapEff:\t0\nCapAmb:\t2000\n', 'CapAmb').has('NET_RAW')).toBe(true);
  });

  it('refuses a status without capabilities', () => {
    expect(() => CapabilitySet.fromStatus('Name:\tnode\n')).toThrow(/CapEff/);
  });

  it('reports the capabilities beyond the allowed ones', () => {
    const two = withMask('0000000000202000');
    expect(two.beyond(['SYS_ADMIN', 'NET_RAW'])).toBeUndefined();
    expect(two.beyond(['SYS_ADMIN'])).toBe('0000000000002000');
    expect(NONE.beyond([])).toBeUndefined();
  });
});

describe('describeMissingCapabilities', () => {
  it('is empty when no capability is missing', () => {
    expect(describeMissingCapabilities(ALL)).toEqual([]);
  });

  it('names each missing capability, what will not work, and how to fix it', () => {
    const lines = describeMissingCapabilities(NONE).join('\n');
    expect(lines).toMatch(/CAP_SYS_PTRACE: .*CAPTURES WILL NOT WORK/);
    expect(lines).toMatch(/CAP_SYS_ADMIN: .*CAPTURES WILL NOT WORK/);
    expect(lines).toMatch(/CAP_NET_RAW: .*CAPTURES WILL NOT WORK/);
    expect(lines).toMatch(/CAP_DAC_READ_SEARCH \(optional\)/);
    expect(lines).toMatch(
      /--cap-add SYS_PTRACE --cap-add SYS_ADMIN --cap-add NET_RAW --cap-add DAC_READ_SEARCH/,
    );
  });

  it('does not warn that captures will not work if only an optional one is missing', () => {
    const lines = describeMissingCapabilities(withMask('000001fffffffffb')).join('\n');
    expect(lines).toMatch(/^missing capability CAP_DAC_READ_SEARCH/);
    expect(lines).not.toMatch(/WILL NOT WORK/);
  });
});
