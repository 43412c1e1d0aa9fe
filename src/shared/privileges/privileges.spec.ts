import { privilegesBeyond } from './privileges.js';
import type { Role } from './privileges.js';

const NONE = '0000000000000000';
const SYS_ADMIN = '0000000000200000';

interface Facts {
  readonly inheritable?: string;
  readonly permitted?: string;
  readonly effective?: string;
  readonly ambient?: string;
  readonly noNewPrivileges?: 0 | 1;
  readonly ids?: string;
}

function status(facts: Facts): string {
  const { inheritable = NONE, permitted = NONE, effective = NONE, ambient = NONE } = facts;
  const { noNewPrivileges = 1, ids = '65533\t65533\t65533\t65533' } = facts;
  return [
    'Name:\tnode',
    `Uid:\t${ids}`,
    `CapInh:\t${inheritable}`,
    `CapPrm:\t${permitted}`,
    `CapEff:\t${effective}`,
    'CapBnd:\t000001ffffffffff',
    `CapAmb:\t${ambient}`,
    `NoNewPrivs:\t${noNewPrivileges}`,
    '',
  ].join('\n');
}

describe('The privileges of a process beyond its role', () => {
  it.each<[string, Role, string, string[]]>([
    ['none, whatever the bounding set', 'server', status({}), []],
    ['effective capabilities', 'server', status({ effective: SYS_ADMIN }), [`CapEff ${SYS_ADMIN}`]],
    [
      'permitted ones, which it could take back',
      'server',
      status({ permitted: SYS_ADMIN }),
      [`CapPrm ${SYS_ADMIN}`],
    ],
    [
      'those that it would hand on',
      'filter compiler',
      status({ inheritable: SYS_ADMIN, ambient: SYS_ADMIN }),
      [`CapInh ${SYS_ADMIN}`, `CapAmb ${SYS_ADMIN}`],
    ],
    [
      'none when an engine has what it needs',
      'engine',
      status({ permitted: SYS_ADMIN, effective: SYS_ADMIN }),
      [],
    ],
    [
      'what an engine does not need',
      'engine',
      status({ permitted: '0000000000201000' }),
      ['CapPrm 0000000000001000'],
    ],
    [
      'that a program could give it some',
      'discoverer',
      status({ noNewPrivileges: 0 }),
      ['no_new_privs is not set'],
    ],
    ['a root that it could become again', 'server', status({ ids: '65533\t65533\t0\t65533' }), ['user id 0']],
    [
      'assumed when the status does not say',
      'server',
      'Name:\tnode\n',
      [
        'CapInh unknown',
        'CapPrm unknown',
        'CapEff unknown',
        'CapAmb unknown',
        'no_new_privs is not set',
        'user id 0',
      ],
    ],
  ])('are %s', (_, role, text, expected) => {
    expect(privilegesBeyond(role, [text])).toEqual(expected);
  });

  it('are those of all its threads, without duplicates', () => {
    const threads = [status({}), status({ effective: SYS_ADMIN }), status({ effective: SYS_ADMIN })];
    expect(privilegesBeyond('server', threads)).toEqual([`CapEff ${SYS_ADMIN}`]);
  });

  it('are read from the process itself', () => {
    expect(privilegesBeyond('server')).toContain('no_new_privs is not set');
  });
});
