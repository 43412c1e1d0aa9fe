import { CapabilitySet } from '../shared/privileges/capabilities.js';
import {
  asRole,
  asUser,
  findSetpriv,
  missingForDroppingRoot,
  type GrantedPrivileges,
} from './granted-privileges.js';
import type { Command } from './child-process.js';

const withMask = (mask: string) => CapabilitySet.fromStatus(`CapEff:\t${mask}\n`);
const ALL = withMask('000001ffffffffff');
const ENGINES = withMask('0000000000282004');
const user = { uid: 990, gid: 980 };
const command = { file: '/usr/bin/node', args: ['main.js'] };

function optionsOf({ file, args }: Command): string {
  expect([file, ...args.slice(args.indexOf('--'))]).toEqual(['setpriv', '--', '/usr/bin/node', 'main.js']);
  return args.slice(0, args.indexOf('--')).join(' ');
}

const child = (role: Parameters<typeof asRole>[0], granted: GrantedPrivileges): string =>
  optionsOf(asRole(role, command, granted));

describe('The command of a child', () => {
  it('leaves the server no capabilities', () => {
    expect(child('server', { capabilities: ALL })).toBe(
      '--inh-caps=-all --ambient-caps=-all --bounding-set=-all --pdeathsig KILL --no-new-privs',
    );
  });

  it('leaves an engine the capabilities that it needs', () => {
    const kept = '-all,+sys_ptrace,+sys_admin,+net_raw,+dac_read_search';
    expect(child('engine', { capabilities: ALL })).toBe(
      `--inh-caps=${kept} --ambient-caps=${kept} --bounding-set=${kept} --pdeathsig KILL --no-new-privs`,
    );
  });

  it('keeps only capabilities that the supervisor has', () => {
    const kept = '-all,+sys_ptrace,+sys_admin,+dac_read_search';
    expect(child('discoverer', { capabilities: ENGINES })).toBe(
      `--inh-caps=${kept} --ambient-caps=${kept} --pdeathsig KILL --no-new-privs`,
    );
  });

  it('starts the server as root when only root may read the code, able to change its user', () => {
    expect(child('server', { capabilities: ALL, closedTo: user })).toBe(
      '--clear-groups --inh-caps=-all --ambient-caps=-all ' +
        '--bounding-set=-all,+setuid,+setgid,+dac_read_search --pdeathsig KILL --no-new-privs',
    );
  });

  it('makes user 0 an ordinary user for an engine when only root may read the code', () => {
    expect(child('engine', { capabilities: ALL, closedTo: user })).toMatch(
      /^--regid 980 --clear-groups --securebits \+noroot,\+noroot_locked --inh-caps=-all,\+sys_ptrace/,
    );
  });
});

describe('The command by which root becomes another user', () => {
  it('keeps the capabilities to grant', () => {
    const kept = '-all,+sys_ptrace,+sys_admin,+net_raw,+dac_read_search,+dac_override,+setpcap';
    expect(optionsOf(asUser('supervisor', user, command, ALL))).toBe(
      `--reuid 990 --regid 980 --clear-groups --inh-caps=${kept} --ambient-caps=${kept} ` +
        `--bounding-set=${kept} --no-new-privs`,
    );
  });

  it('requires certain capabilities', () => {
    expect(missingForDroppingRoot(ALL)).toEqual([]);
    expect(missingForDroppingRoot(ENGINES)).toEqual(['SETUID', 'SETGID', 'SETPCAP']);
  });

  it('requires setpriv in the search path', () => {
    expect(findSetpriv('/nonexistent:/dev')).toBeUndefined();
    expect(findSetpriv(`/nonexistent:${process.env['PATH'] ?? ''}`)).toMatch(/^\/.*\/setpriv$/);
  });
});
