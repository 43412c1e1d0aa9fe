import { describeMissingCapabilities } from './capability-report.js';
import { CapabilitySet } from './capabilities.js';
import { asEngine, asFront, hasSetpriv } from './privileges.js';

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

  it('refuses a status without capabilities', () => {
    expect(() => CapabilitySet.fromStatus('Name:\tnode\n')).toThrow(/CapEff/);
  });
});

describe('describeMissingCapabilities', () => {
  it('has nothing to say when all are there', () => {
    expect(describeMissingCapabilities(ALL)).toEqual([]);
  });

  it('names each that is missing, what will not work, and how to mend it', () => {
    const lines = describeMissingCapabilities(NONE).join('\n');
    expect(lines).toMatch(/CAP_SYS_PTRACE: .*CAPTURES WILL NOT WORK/);
    expect(lines).toMatch(/CAP_SYS_ADMIN: .*CAPTURES WILL NOT WORK/);
    expect(lines).toMatch(/CAP_NET_RAW: .*CAPTURES WILL NOT WORK/);
    expect(lines).toMatch(/CAP_DAC_READ_SEARCH \(optional\)/);
    expect(lines).toMatch(
      /--cap-add SYS_PTRACE --cap-add SYS_ADMIN --cap-add NET_RAW --cap-add DAC_READ_SEARCH/,
    );
  });

  it('does not raise an alarm about an optional one', () => {
    const lines = describeMissingCapabilities(withMask('000001fffffffffb')).join('\n');
    expect(lines).toMatch(/^missing capability CAP_DAC_READ_SEARCH/);
    expect(lines).not.toMatch(/WILL NOT WORK/);
  });
});

describe('the commands for front and engine', () => {
  const command = { file: '/usr/bin/node', args: ['main.js', 'front', '--port', '1'] };

  it('take everything from the front', () => {
    const { file, args } = asFront(command, ALL);
    expect([file, ...args].join(' ')).toBe(
      'setpriv --inh-caps=-all --ambient-caps=-all --bounding-set=-all --no-new-privs --pdeathsig KILL ' +
        '-- /usr/bin/node main.js front --port 1',
    );
  });

  it('leave the bounding set alone where it cannot be changed', () => {
    expect(asFront(command, NONE).args).not.toContain('--bounding-set=-all');
  });

  it('let an engine keep its privileges, but not outlive us', () => {
    expect(asEngine(command).args.slice(0, 4)).toEqual(['--pdeathsig', 'KILL', '--', '/usr/bin/node']);
  });

  it('are only possible where setpriv is in the search path', () => {
    expect(hasSetpriv('/nonexistent:/dev')).toBe(false);
    expect(hasSetpriv(process.env['PATH'] ?? '')).toBe(true);
  });
});
