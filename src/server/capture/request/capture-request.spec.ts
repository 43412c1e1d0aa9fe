import type { CaptureLimit, CaptureLimits } from '../../../shared/protocol/capture-spec.js';
import { CaptureError } from '../../../shared/protocol/capture-error.js';
import { hasContainerHeader, parseCaptureRequest } from './capture-request.js';
import type { CaptureRequest } from './capture-request.js';

type Headers = Record<string, string[]>;

function parse(query: string, headers: Headers = {}): CaptureRequest {
  return parseCaptureRequest({ url: `/capture${query}`, headersDistinct: headers }, {});
}

/** As Node hands the bytes of a header on. */
function onTheWire(text: string): string {
  return Buffer.from(text).toString('latin1');
}

function refusal(query: string, headers: Headers = {}): CaptureError {
  try {
    parse(query, headers);
  } catch (error) {
    if (error instanceof CaptureError) return error;
    throw error;
  }
  throw new Error(`${query} was accepted`);
}

const CONTAINER = '{"netns":5,"name":"web","network-interfaces":["eth0","eth1"]}';
const BARE = { netns: 4026531840, prefix: '', type: '', nodeName: '', interfaces: [] };

function limitsOf(duration: number, bytes: number, packets: number): CaptureLimits {
  const limit = (max: number): CaptureLimit => ({ max, setBy: 'request' });
  return { duration: limit(duration), bytes: limit(bytes), packets: limit(packets) };
}

describe('A capture request', () => {
  it('may consist of the number of a network namespace', () => {
    expect(parse('?netns=4026531840')).toEqual({
      target: BARE,
      interfaces: [],
      filter: '',
      promiscuous: true,
      follow: false,
    });
  });

  it.each<[string, string, Headers, Partial<CaptureRequest>]>([
    ['a filter', '?netns=5&filter=tcp+port%2080', {}, { filter: 'tcp port 80' }],
    ['chaste without a value', '?netns=5&chaste', {}, { promiscuous: false }],
    ['chaste with an empty value', '?netns=5&chaste=', {}, { promiscuous: false }],
    ['chaste with any value', '?netns=5&chaste=false', {}, { promiscuous: false }],
    ['chaste by header', '?netns=5', { 'clustershark-chaste': [''] }, { promiscuous: false }],
    ['interfaces by slash', '?netns=5&nif=eth0/a,b', {}, { interfaces: ['eth0', 'a,b'] }],
    ['each interface once', '?netns=5&nif=eth0/lo/eth0', {}, { interfaces: ['eth0', 'lo'] }],
    ['no empty interface names', '?netns=5&nif=/eth0//lo/', {}, { interfaces: ['eth0', 'lo'] }],
    ['all interfaces for "all"', '?netns=5&nif=all', {}, { interfaces: [] }],
    ['all interfaces for "any"', '?netns=5&nif=any', {}, { interfaces: [] }],
    ['all interfaces for "@any"', '?netns=5&nif=@any', {}, { interfaces: [] }],
    ['all interfaces for "any" among others', '?netns=5&nif=eth0/any', {}, { interfaces: [] }],
    ['all interfaces for an empty value', '?netns=5&nif=', {}, { interfaces: [] }],
    ['names up to 15 bytes', '?netns=5&nif=fifteen-bytes-x', {}, { interfaces: ['fifteen-bytes-x'] }],
    ['the first of two values', '?netns=5&filter=ip&filter=ip6', {}, { filter: 'ip' }],
    [
      'a header before the query',
      '?netns=5&filter=ip',
      { 'clustershark-filter': ['arp'] },
      { filter: 'arp' },
    ],
    [
      'an empty header before the query',
      '?netns=5&nif=eth0',
      { 'clustershark-nif': [''] },
      { interfaces: [] },
    ],
    ['the first of two headers', '?netns=5', { 'clustershark-filter': ['ip', 'arp'] }, { filter: 'ip' }],
    [
      'UTF-8 in headers',
      '?netns=5',
      { 'clustershark-nif': [onTheWire('ünïcode')] },
      { interfaces: ['ünïcode'] },
    ],
    ['direction', '?netns=5&direction', {}, { direction: true }],
    ['follow', '?container={"name":"web"}&follow=', {}, { follow: true }],
    [
      'selectors',
      '?targets=[{"name":"shop/*"},{"labels":{"app":"web"},"type":null}]',
      {},
      {
        selectors: [{ name: 'shop/*' }, { labels: { app: 'web' } }],
        target: { type: 'set', name: 'shop/*, app=web', prefix: '', nodeName: '', interfaces: [] },
      },
    ],
    [
      'limits',
      '?netns=5&duration=60&max-bytes=5000000000&max-packets=1&snaplen=262144',
      {},
      { limits: limitsOf(60, 5_000_000_000, 1), snapshotLength: 262_144 },
    ],
    [
      'limits by header, before those of the query',
      '?netns=5&duration=60&max-packets=x&max-packets=5&snaplen=1',
      {
        'clustershark-duration': ['2'],
        'clustershark-max-bytes': ['3', '30'],
        'clustershark-max-packets': ['4'],
        'clustershark-snaplen': ['5'],
      },
      { limits: limitsOf(2, 3, 4), snapshotLength: 5 },
    ],
    [
      'the interfaces of a container',
      `?container=${encodeURIComponent(CONTAINER)}`,
      {},
      { interfaces: ['eth0', 'eth1'] },
    ],
    [
      'nif instead of those of the container',
      `?nif=lo&container=${encodeURIComponent(CONTAINER)}`,
      {},
      { interfaces: ['lo'] },
    ],
    [
      'all interfaces if the container lists "any"',
      '?container={"netns":5,"network-interfaces":["any"]}',
      {},
      { interfaces: [] },
    ],
  ])('understands %s', (_, query, headers, expected) => {
    expect(parse(query, headers)).toMatchObject(expected);
  });

  it('prefers the container in the header, in UTF-8, to that in the query', () => {
    const headers = { 'clustershark-container': [onTheWire('{"netns":7,"name":"schön"}')] };
    expect(parse(`?container=${encodeURIComponent(CONTAINER)}`, headers).target).toMatchObject({
      netns: 7,
      name: 'schön',
    });
  });

  it('recognizes clients that need the reason in the stream by their container header', () => {
    expect(hasContainerHeader({ url: '', headersDistinct: { 'clustershark-container': [''] } })).toBe(true);
    expect(hasContainerHeader({ url: '', headersDistinct: {} })).toBe(false);
  });

  it.each<[string, CaptureError['code'], RegExp]>([
    ['', 'invalid-request', /^container or netns/],
    ['?', 'invalid-request', /^container or netns/],
    ['?netns=5&targets=[{}]', 'invalid-request', /^netns and targets exclude/],
    ['?netns=5&follow', 'invalid-request', /^follow needs a container object with a name/],
    ['?targets=[{"name":5}]', 'invalid-request', /^targets\[0\]\.name must be a string/],
    ['?netns=5&container={"netns":5}', 'invalid-request', /^container and netns exclude/],
    ['?netns=', 'invalid-request', /^netns must be .*""/],
    ['?netns=0', 'invalid-request', /^netns must be .*"0"/],
    ['?netns=-5', 'invalid-request', /^netns must be .*"-5"/],
    ['?netns=0x5', 'invalid-request', /^netns must be .*"0x5"/],
    ['?netns=5.0', 'invalid-request', /^netns must be/],
    ['?netns=1e9', 'invalid-request', /^netns must be/],
    ['?netns=9007199254740992', 'invalid-request', /^netns must be/],
    [`?netns=${'9'.repeat(5000)}`, 'invalid-request', /^netns must be .{0,120}$/],
    ['?container=', 'invalid-request', /container/],
    ['?container=nonsense', 'invalid-request', /container/],
    [`?netns=5&filter=${'a'.repeat(4097)}`, 'invalid-filter', /4096 bytes/],
    [`?netns=5&filter=${'%C3%BC'.repeat(2049)}`, 'invalid-filter', /4096 bytes/],
    ['?netns=5&filter=tcp%00or%20udp', 'invalid-filter', /zero character/],
    ...['', '0', '-1', '+1', '1.5', '1e3', '0x10', '007', ' 1', '1 ', '2000001', '9'.repeat(500)].map(
      (text): [string, CaptureError['code'], RegExp] => [
        `?netns=5&duration=${encodeURIComponent(text)}`,
        'invalid-request',
        /^duration must be a whole number from 1 to 2000000, not ".{0,40}"$/,
      ],
    ),
    ['?netns=5&max-bytes=1000000000000000', 'invalid-request', /^max-bytes must be .* 1 to 999999999999999,/],
    ['?netns=5&max-packets=many', 'invalid-request', /^max-packets must be .* not "many"$/],
    ['?netns=5&max-packets=&max-packets=5', 'invalid-request', /^max-packets must be .* not ""$/],
    ['?netns=5&snaplen=262145', 'invalid-request', /^snaplen must be .* 1 to 262144, not "262145"$/],
    ['?netns=5&nif=sixteen-bytes-xx', 'invalid-interface', /"sixteen-bytes-xx" /],
    ['?netns=5&nif=%C3%BC%C3%BC%C3%BC%C3%BC%C3%BC%C3%BC%C3%BC%C3%BC', 'invalid-interface', /nif: "ü+" /],
    ['?netns=5&nif=eth0/..', 'invalid-interface', /"\.\."/],
    ['?netns=5&nif=.', 'invalid-interface', /"\."/],
    ['?netns=5&nif=a:b', 'invalid-interface', /"a:b"/],
    ['?netns=5&nif=a%20b', 'invalid-interface', /"a b"/],
    ['?netns=5&nif=a%00b', 'invalid-interface', /nif: /],
    ['?netns=5&nif=-i', 'invalid-interface', /"-i"/],
    ['?netns=5&nif=1', 'invalid-interface', /"1"/],
    ['?netns=5&nif=all/nflog', 'invalid-interface', /"nflog"/],
    ['?netns=5&nif=nfqueue7', 'invalid-interface', /"nfqueue7"/],
    ['?netns=5&nif=usbmon1', 'invalid-interface', /"usbmon1"/],
    ['?netns=5&nif=bluetooth0', 'invalid-interface', /"bluetooth0"/],
    ['?netns=5&nif=dbus-system', 'invalid-interface', /"dbus-system"/],
    ['?netns=5&nif=rpcap', 'invalid-interface', /"rpcap"/],
    ['?netns=5&nif=TCP@host', 'invalid-interface', /"TCP@host"/],
    ['?container={"netns":5,"network-interfaces":["a/b"]}', 'invalid-interface', /"a\/b"/],
  ])('is refused for %s', (query, code, message) => {
    expect(refusal(query)).toMatchObject({ code, message: expect.stringMatching(message) as string });
  });
});
