import { target } from '../fixtures/target.js';
import {
  canFollow,
  captureRequest,
  EMPTY_FORM,
  type CaptureForm,
  type CaptureParameters,
} from './capture-request.js';
import type { Target } from '../targets/target.js';

function parametersFor(targets: readonly Target[], form: Partial<CaptureForm> = {}): CaptureParameters {
  const request = captureRequest({ kind: 'targets', targets }, { ...EMPTY_FORM, ...form });
  if (request.kind !== 'ready') throw new Error(JSON.stringify(request));
  return request.parameters;
}

function problemFor(targets: readonly Target[], form: Partial<CaptureForm> = {}): string {
  const request = captureRequest({ kind: 'targets', targets }, { ...EMPTY_FORM, ...form });
  return request.kind === 'problem' ? request.problem : request.kind;
}

describe('The request of a capture', () => {
  it('for one target has a container object with all that identifies it', () => {
    const { container = '', ...others } = parametersFor([target({ prefix: 'kind' })]);
    expect(JSON.parse(container)).toEqual({
      netns: 4026532270,
      pid: 1234,
      starttime: 56789,
      name: 'web',
      prefix: 'kind',
      type: 'docker',
      'node-name': 'host-1',
      'network-interfaces': ['any'],
    });
    expect(others).toEqual({});
  });

  it('for one target with a name that is too long for the API goes by its namespace', () => {
    const { container = '' } = parametersFor([target({ name: 'x'.repeat(65_536) })]);
    expect(JSON.parse(container)).not.toHaveProperty('name');
    expect(JSON.parse(container)).toMatchObject({ netns: 4026532270, pid: 1234 });
  });

  it('for several targets has selectors with their exact names', () => {
    const { targets = '' } = parametersFor([
      target(),
      target({ name: 'db', type: 'podman', prefix: 'user@1000' }),
    ]);
    expect(JSON.parse(targets)).toEqual([
      { name: 'web', type: 'docker', prefix: '' },
      { name: 'db', type: 'podman', prefix: 'user@1000' },
    ]);
  });

  it('for a rule has its selectors', () => {
    const request = captureRequest({ kind: 'rule', selectors: [{ labels: { app: 'web' } }] }, EMPTY_FORM);
    expect(request).toEqual({
      kind: 'ready',
      parameters: { targets: '[{"labels":{"app":"web"}}]' },
      title: 'app=web',
    });
  });

  it('has what the form says', () => {
    const { container = '', ...others } = parametersFor([target()], {
      interfaces: ' eth0  eth1 eth0 ',
      filter: ' tcp port 80 ',
      duration: { amount: '1.5', unit: 60 },
      bytes: { amount: '10', unit: 1_000_000 },
      packets: '1000',
      snapshotLength: '96',
      follow: true,
      direction: true,
      noPromiscuousMode: true,
    });
    expect(JSON.parse(container)).toMatchObject({ 'network-interfaces': ['eth0', 'eth1'] });
    expect(others).toEqual({
      nif: 'eth0/eth1',
      filter: 'tcp port 80',
      duration: '90',
      'max-bytes': '10000000',
      'max-packets': '1000',
      snaplen: '96',
      follow: '',
      direction: '',
      chaste: '',
    });
  });

  it.each([
    ['33333.333', '2000000'],
    ['0.001', '1'],
  ])('accepts a duration of %s minutes', (amount, seconds) => {
    expect(parametersFor([target()], { duration: { amount, unit: 60 } })).toMatchObject({
      duration: seconds,
    });
  });

  it('follows only one target that has a name', () => {
    expect(parametersFor([target(), target({ name: 'db' })], { follow: true })).not.toHaveProperty('follow');
    expect(parametersFor([target({ name: '' })], { follow: true })).not.toHaveProperty('follow');
    expect(canFollow({ kind: 'targets', targets: [target()] })).toBe(true);
  });

  it('is not there without a target', () => {
    expect(problemFor([])).toBe('nothing');
  });

  it.each([
    [
      'a name that is a pattern among others',
      'a*',
      /“a\*” can only be captured alone: its name contains \* or \?/,
    ],
    ['a name that is too long among others', 'x'.repeat(1025), /its name is too long\.$/],
    [
      'no name among others',
      '',
      /“network namespace 4026532270” can only be captured alone: it has no name\.$/,
    ],
  ])('is refused with %s', (_, name, problem) => {
    expect(problemFor([target(), target({ name })])).toMatch(problem);
  });

  it('is refused with more targets than a set can have selectors', () => {
    const many = Array.from({ length: 65 }, (_, index) => target({ name: `web-${index}` }));
    expect(problemFor(many)).toMatch('At most 64 targets can be chosen, but there are 65.');
  });

  it.each<[string, Partial<CaptureForm>, string]>([
    [
      'an interface with a slash',
      { interfaces: 'a/b' },
      'No interface can be called “a/b”: it contains / or :.',
    ],
    ['a long interface', { interfaces: 'ä'.repeat(8) }, 'it is longer than 15 bytes.'],
    ['a long filter', { filter: 'x'.repeat(4097) }, 'The capture filter is longer than 4096 bytes.'],
    [
      'no packets',
      { packets: '0' },
      'The number of packets must be a whole number from 1 to 999999999999999.',
    ],
    ['half a packet', { packets: '1.5' }, 'The number of packets must be a whole number'],
    [
      'half a second',
      { duration: { amount: '0.5', unit: 1 } },
      'The duration must be a whole number from 1 to 2000000.',
    ],
    ['a duration with an exponent', { duration: { amount: '1e3', unit: 1 } }, 'The duration must be'],
    [
      'a duration beyond the maximum',
      { duration: { amount: '33333.334', unit: 60 } },
      'The duration must be more than 0 and at most 33333.333.',
    ],
    ['a snapshot length beyond the maximum', { snapshotLength: '262145' }, 'from 1 to 262144.'],
  ])('is refused with %s', (_, form, problem) => {
    expect(problemFor([target()], form)).toMatch(problem);
  });
});
