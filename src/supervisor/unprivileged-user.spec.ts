import { asUser, describeExcess, missingForBecoming, parsePowers } from './unprivileged-user.js';

const USER = { uid: '51001', gid: '51001' };
/** SYS_PTRACE, SYS_ADMIN, NET_RAW, DAC_READ_SEARCH, DAC_OVERRIDE, SETPCAP. */
const KEPT = '0000000000282106';
/** These, and SETUID and SETGID. */
const AT_THE_START = '00000000002821c6';
const NONE = '0000000000000000';

interface Status {
  readonly uid?: string;
  readonly permitted?: string;
  readonly ambient?: string;
  readonly noNewPrivs?: number;
}

function powers({
  uid = '51001\t51001\t51001\t51001',
  permitted = KEPT,
  ambient = NONE,
  noNewPrivs = 1,
}: Status) {
  return parsePowers(
    `Name:\tnode\nUid:\t${uid}\nGid:\t51001\t51001\t51001\t51001\nGroups:\t \nCapInh:\t${ambient}\n` +
      `CapPrm:\t${permitted}\nCapEff:\t${permitted}\nCapBnd:\t${permitted}\nCapAmb:\t${ambient}\n` +
      `NoNewPrivs:\t${noNewPrivs}\n`,
  );
}

const ROOT = '0\t0\t0\t0';

describe('becoming an unprivileged user', () => {
  it('takes root all that it takes to become somebody else, and keeps of it what is needed', () => {
    const kept = '-all,+dac_override,+dac_read_search,+setpcap,+net_raw,+sys_ptrace,+sys_admin';
    expect(asUser(powers({ uid: ROOT, permitted: AT_THE_START }), USER)).toEqual([
      ...['--reuid', '51001', '--regid', '51001', '--clear-groups'],
      ...[`--inh-caps=${kept}`, `--ambient-caps=${kept}`, `--bounding-set=${kept}`, '--no-new-privs'],
    ]);
  });

  it('leaves another user who it is, and asks for no capability that is not there', () => {
    expect(asUser(powers({ permitted: '0000000000200000' }), USER)).toEqual([
      ...['--inh-caps=-all,+sys_admin', '--ambient-caps=-all,+sys_admin', '--no-new-privs'],
    ]);
  });

  it('tells what root lacks for it', () => {
    expect(missingForBecoming(powers({ uid: ROOT, permitted: AT_THE_START }))).toEqual([]);
    expect(missingForBecoming(powers({ uid: ROOT, permitted: '0000000000202000' }))).toEqual([
      'SETGID',
      'SETUID',
      'SETPCAP',
    ]);
    expect(missingForBecoming(powers({ permitted: NONE }))).toEqual([]);
  });
});

describe('what is left when the privileges have been given up', () => {
  it('is in order when it is what the service needs, or less', () => {
    expect(describeExcess(powers({ ambient: KEPT }))).toEqual([]);
    expect(describeExcess(powers({ permitted: NONE }))).toEqual([]);
  });

  it.each<[string, Status, string]>([
    ['root', { uid: ROOT }, 'it is root'],
    ['root, which it may become again', { uid: '51001\t51001\t0\t51001' }, 'it is root'],
    ['a capability too many', { permitted: AT_THE_START }, 'CapPrm 2821c6'],
    ['one to hand on', { ambient: AT_THE_START }, 'CapAmb 2821c6'],
    ['a way to new ones', { noNewPrivs: 0 }, 'it may get new privileges'],
  ])('tells of %s', (_, status, told) => {
    expect(describeExcess(powers(status))).toContain(told);
  });

  it('might be everything where it cannot be read', () => {
    expect(() => parsePowers('Name:\tnode\n')).toThrow('no line "Uid:"');
  });
});
