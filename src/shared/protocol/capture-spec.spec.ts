import { CaptureError } from './capture-error.js';
import { validateCaptureSpec, validateSetMember } from './capture-spec.js';

const GOOD = {
  captureId: 'brave-amber-otter',
  reference: { netns: 4026532177, pid: 17, startTime: 4711 },
  interfaces: ['eth0', 'lo', 'eth0'],
  filter: 'tcp port 80',
  promiscuous: true,
  sectionComments: ['---\n'],
  excludedConnections: [{ address: '::1', port: 1, peerAddress: '10.0.0.1', peerPort: 65_535 }],
  excludedEndpoints: [{ port: 443 }, { address: '10.0.0.1' }, { address: '::1', port: 65_535 }],
};

describe('validateCaptureSpec', () => {
  it('accepts a valid spec and removes duplicate interfaces', () => {
    expect(validateCaptureSpec(GOOD)).toEqual({ ...GOOD, interfaces: ['eth0', 'lo'] });
  });

  it('accepts limits', () => {
    const spec = {
      ...GOOD,
      interfaces: ['lo'],
      snapshotLength: 262_144,
      limits: {
        duration: { max: 2_000_000, setBy: 'service' },
        bytes: { max: Number.MAX_SAFE_INTEGER, setBy: 'request' },
        packets: { max: 1, setBy: 'request' },
      },
    };
    expect(validateCaptureSpec(spec)).toEqual(spec);
    expect(validateCaptureSpec({ ...spec, limits: {} })).toEqual({ ...spec, limits: {} });
  });

  it.each([
    ['a snapshot length of 0', { ...GOOD, snapshotLength: 0 }],
    ['a snapshot length beyond libpcap’s', { ...GOOD, snapshotLength: 262_145 }],
    ['limits that are not an object', { ...GOOD, limits: 5 }],
    ['a limit that does not say who set it', { ...GOOD, limits: { packets: { max: 5 } } }],
    ['a limit of 0', { ...GOOD, limits: { bytes: { max: 0, setBy: 'request' } } }],
    ['a limit that is a string', { ...GOOD, limits: { packets: { max: '5', setBy: 'service' } } }],
    [
      'a duration longer than a Node.js timer',
      { ...GOOD, limits: { duration: { max: 2_000_001, setBy: 'request' } } },
    ],
    ['nothing', undefined],
    ['a string', 'spec'],
    ['an array', []],
    ['an id with a line break', { ...GOOD, captureId: 'brave\notter' }],
    ['an id of 65 characters', { ...GOOD, captureId: 'a'.repeat(65) }],
    ['no id', { ...GOOD, captureId: undefined }],
    ['a reference that is null', { ...GOOD, reference: null }],
    ['a direction that is no boolean', { ...GOOD, direction: 1 }],
    ['netns as a string', { ...GOOD, reference: { netns: '4026532177' } }],
    ['netns 0', { ...GOOD, reference: { netns: 0 } }],
    ['a fraction', { ...GOOD, reference: { netns: 1.5 } }],
    ['a negative pid', { ...GOOD, reference: { netns: 1, pid: -1 } }],
    ['an unsafe start time', { ...GOOD, reference: { netns: 1, pid: 1, startTime: 2 ** 53 } }],
    ['interfaces that are not an array', { ...GOOD, interfaces: 'eth0' }],
    ['an interface that is not a string', { ...GOOD, interfaces: [17] }],
    ['promiscuous as a string', { ...GOOD, promiscuous: 'false' }],
    ['comments that are not strings', { ...GOOD, sectionComments: [{}] }],
    [
      'a host name in a connection',
      { ...GOOD, excludedConnections: [{ ...GOOD.excludedConnections[0], address: 'a) or (tcp' }] },
    ],
    [
      'a zone in an address',
      { ...GOOD, excludedConnections: [{ ...GOOD.excludedConnections[0], address: 'fe80::1%eth0' }] },
    ],
    [
      'more excluded connections than can be compiled',
      { ...GOOD, excludedConnections: Array.from({ length: 33 }, () => GOOD.excludedConnections[0]) },
    ],
    ['endpoints that are not an array', { ...GOOD, excludedEndpoints: undefined }],
    ['an endpoint without address and port', { ...GOOD, excludedEndpoints: [{}] }],
    ['a host name as an endpoint', { ...GOOD, excludedEndpoints: [{ address: 'a) or (tcp' }] }],
    ['a string as the port of an endpoint', { ...GOOD, excludedEndpoints: [{ port: '443) or (tcp' }] }],
    ['port 0 of an endpoint', { ...GOOD, excludedEndpoints: [{ address: '10.0.0.1', port: 0 }] }],
    [
      'more excluded endpoints than can be compiled',
      { ...GOOD, excludedEndpoints: Array.from({ length: 33 }, () => GOOD.excludedEndpoints[0]) },
    ],
    [
      'a port as a string',
      { ...GOOD, excludedConnections: [{ ...GOOD.excludedConnections[0], port: '80' }] },
    ],
  ])('refuses %s', (_, spec) => {
    expect(() => validateCaptureSpec(spec)).toThrow(
      expect.objectContaining({ code: 'invalid-request' }) as CaptureError,
    );
  });

  it.each([
    'any',
    'nflog',
    'nfqueue:1',
    'usbmon0',
    'TCP@127.0.0.1',
    'rpcap',
    '-',
    '../x',
    '17',
    '',
    'a b',
    'abcdefghijklmnop',
  ])('refuses the interface name %j', (name) => {
    expect(() => validateCaptureSpec({ ...GOOD, interfaces: [name] })).toThrow(
      expect.objectContaining({ code: 'invalid-interface' }) as CaptureError,
    );
  });

  it.each([['x'.repeat(4097)], ['tcp\0'], [17], [undefined]])('refuses filter %#', (filter) => {
    expect(() => validateCaptureSpec({ ...GOOD, filter })).toThrow(
      expect.objectContaining({ code: 'invalid-filter' }) as CaptureError,
    );
  });
});

describe('The spec of a set', () => {
  it('has no reference', () => {
    const { reference, ...set } = GOOD;
    expect(reference).toBeDefined();
    expect(validateCaptureSpec(set)).not.toHaveProperty('reference');
  });

  const MEMBER = {
    id: 1,
    reference: { netns: 5, pid: 7, startTime: 9 },
    name: 'web',
    description: 'docker web',
  };

  it('has members', () => {
    expect(validateSetMember({ ...MEMBER, more: 1 })).toEqual(MEMBER);
  });

  it.each([
    ['no id', { ...MEMBER, id: 0 }],
    ['no reference', { ...MEMBER, reference: undefined }],
    ['no name', { ...MEMBER, name: undefined }],
    ['a long name', { ...MEMBER, name: 'ü'.repeat(2_049) }],
    ['a description that is no text', { ...MEMBER, description: [] }],
  ])('does not accept members with %s', (_, member) => {
    expect(() => validateSetMember(member)).toThrow(CaptureError);
  });
});
