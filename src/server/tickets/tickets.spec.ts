import { jest } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { CaptureError } from '../../shared/protocol/capture-error.js';
import { listedTarget } from './ticket-target.js';
import { parseTicketRequest } from './ticket-request.js';
import { MAX_TICKET_LENGTH, Tickets } from './tickets.js';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

describe('A ticket', () => {
  const tickets = new Tickets(randomBytes(32));
  const issue = (body: object): string => {
    const { parameters, lifetimeSeconds } = parseTicketRequest(JSON.stringify(body));
    return tickets.issue(parameters, lifetimeSeconds, 'alice').text;
  };

  it('says what it was made of, to all who have the key', () => {
    const key = randomBytes(32);
    const { text, id, expires } = new Tickets(key).issue({ netns: '5', filter: 'ü ?&' }, 60, 'alice');
    const parameters = { netns: '5', filter: 'ü ?&' };
    expect(new Tickets(key).redeem(text)).toEqual({ id, expires, user: 'alice', parameters });
    expect(text).toMatch(/^[\w-]+$/);
    expect(new Tickets(randomBytes(32)).redeem(text)).toBe('ticket-invalid');
  });

  it('is invalid when any of its characters is changed to any other one, or is missing', () => {
    const text = issue({ netns: 5 });
    expect(typeof tickets.redeem(text)).toBe('object');
    for (let index = 0; index < text.length; index++) {
      const [head, tail] = [text.slice(0, index), text.slice(index + 1)];
      for (const character of [...ALPHABET, '', '=', '.', ' ', '%', '\n']) {
        const altered = head + character + tail;
        if (altered !== text) expect(tickets.redeem(altered)).toBe('ticket-invalid');
      }
    }
    for (const other of [
      '',
      '..',
      text + text,
      `${text}A`,
      `${text}=`,
      'A'.repeat(100),
      'A'.repeat(20_000),
    ]) {
      expect(tickets.redeem(other)).toBe('ticket-invalid');
    }
  });

  it('cannot be put together from two others', () => {
    const [one, other] = [issue({ netns: 5 }), issue({ netns: 6 })];
    // The signature has 16 bytes, so that its last character is shared with the content.
    for (let length = 20; length <= 24; length++) {
      expect(tickets.redeem(one.slice(0, length) + other.slice(length))).toBe('ticket-invalid');
    }
  });

  it('expires', () => {
    jest.useFakeTimers({ now: Date.parse('2026-11-30T12:00:00Z') });
    try {
      const text = issue({ netns: 5, lifetime: 30 });
      jest.setSystemTime(Date.parse('2026-11-30T12:00:29.9Z'));
      expect(tickets.redeem(text)).toMatchObject({ parameters: { netns: '5' } });
      jest.setSystemTime(Date.parse('2026-11-30T12:00:30Z'));
      expect(tickets.redeem(text)).toBe('ticket-expired');
    } finally {
      jest.useRealTimers();
    }
  });

  it('is refused when its content would be too long, however well it can be compressed', () => {
    const container = { name: 'a', x: Array<number>(13_000).fill(1e20) };
    expect(() => issue({ container })).toThrow(/too long for a ticket/);
  });

  it('has room for 1,000 interfaces, and refuses more than fit', () => {
    const names = (count: number) =>
      Array.from({ length: count }, () => `veth${randomBytes(4).toString('hex')}`);
    const container = { name: 'router', 'network-interfaces': names(1_000) };
    expect(issue({ container }).length).toBeLessThan(MAX_TICKET_LENGTH);
    expect(() => issue({ container: { ...container, 'network-interfaces': names(3_000) } })).toThrow(
      /too long for a ticket of at most 16384 characters/,
    );
  });
});

describe('A request for a ticket', () => {
  const parse = (body: unknown) => parseTicketRequest(JSON.stringify(body));

  it('has all parameters of a capture, in JSON', () => {
    const container = { name: 'web', netns: 5, 'network-interfaces': ['eth0'] };
    const texts = { nif: 'eth0/lo', filter: 'tcp port 80' };
    const limits = { duration: 60, 'max-bytes': 5_000, 'max-packets': 7, snaplen: 128 };
    const switches = { chaste: true, follow: true, direction: false };
    expect(parse({ container, ...texts, ...limits, ...switches, lifetime: 5 })).toMatchObject({
      parameters: {
        container: JSON.stringify(container),
        ...texts,
        duration: '60',
        'max-bytes': '5000',
        'max-packets': '7',
        snaplen: '128',
        chaste: '',
        follow: '',
      },
      lifetimeSeconds: 5,
    });
    expect(parse({ netns: 5, direction: false, nif: null }).parameters).toEqual({ netns: '5' });
    expect(parse({ targets: [{ name: 'a*' }] })).toMatchObject({
      parameters: { targets: '[{"name":"a*"}]' },
      lifetimeSeconds: 600,
    });
  });

  it.each<[unknown, RegExp]>([
    [[], /must be a JSON object/],
    [null, /must be a JSON object/],
    [{}, /^container or netns must say/],
    [{ netns: 5, targets: [{}] }, /^netns and targets exclude/],
    [{ netns: '5' }, /^netns must be a number/],
    [{ netns: 0 }, /^netns must be the inode number/],
    [{ netns: 1.5 }, /^netns must be the inode number/],
    [{ netns: 1e300 }, /^netns must be the inode number/],
    [{ container: '{}' }, /^container must be an object/],
    [{ container: [] }, /^container must be an object/],
    [{ container: {} }, /^container: netns or name must be given/],
    [{ container: { name: 5 } }, /^container: name must be a string/],
    [{ targets: {} }, /^targets must be an array of selectors/],
    [{ targets: [{ nam: 'a' }] }, /^targets\[0\] must have no attributes but/],
    [{ netns: 5, nif: ['eth0'] }, /^nif must be a string/],
    [{ netns: 5, nif: 'a:b' }, /"a:b"/],
    [{ netns: 5, filter: 'x'.repeat(5_000) }, /4096 bytes/],
    [{ netns: 5, chaste: '' }, /^chaste must be true or false/],
    [{ netns: 5, follow: true }, /^follow needs/],
    [{ netns: 5, duration: 0 }, /^duration must be a whole number from 1/],
    [{ netns: 5, snaplen: '5' }, /^snaplen must be a number/],
    [{ netns: 5, lifetime: 0 }, /^lifetime must be a whole number of seconds from 1 to 3600/],
    [{ netns: 5, lifetime: 3_601 }, /^lifetime must be/],
    [{ netns: 5, lifetime: 1.5 }, /^lifetime must be/],
    [{ netns: 5, lifetime: '60' }, /^lifetime must be/],
    [{ netns: 5, filters: 'tcp' }, /^there is no attribute "filters"/],
    [{ netns: 5, 'Clustershark-Nif': 'lo' }, /^there is no attribute/],
  ])('is refused: %.60j', (body, message) => {
    expect(() => parse(body)).toThrow(message);
    expect(() => parse(body)).toThrow(CaptureError);
  });

  it.each(['', '{', '{"netns":5,"__proto__":{}}', `{"targets":${'['.repeat(30_000)}`])(
    'is refused: %.40s',
    (json) => {
      expect(() => parseTicketRequest(json)).toThrow(CaptureError);
    },
  );

  it('is refused when it is nested too deeply, whatever is valid JSON', () => {
    const deep = `{"container":{"name":"a","x":${'['.repeat(30_000)}${']'.repeat(30_000)}}}`;
    expect(() => parseTicketRequest(deep)).toThrow(CaptureError);
  });
});

describe('The target of a ticket', () => {
  const listed = (body: object) => listedTarget(parseTicketRequest(JSON.stringify(body)).parameters);
  const unknown = { netns: 0, pid: 0, starttime: 0, prefix: '', 'network-interfaces': ['any'] };

  it.each<[string, object, object]>([
    [
      'a container with all its facts',
      {
        container: {
          ...{ name: 'web', type: 'docker', prefix: 'dind', netns: 5, pid: 6, starttime: 7 },
          ...{ 'network-interfaces': ['lo', 'eth0'], 'node-name': 'n' },
        },
      },
      {
        ...{ name: 'web', type: 'docker', prefix: 'dind', netns: 5, pid: 6, starttime: 7 },
        'network-interfaces': ['lo', 'eth0'],
      },
    ],
    [
      'a container with the interfaces of the ticket',
      { container: { name: 'web', type: 'pod', 'network-interfaces': ['lo'] }, nif: 'eth1' },
      { ...unknown, name: 'web', type: 'pod', 'network-interfaces': ['eth1'] },
    ],
    [
      'a set with a name',
      { container: { name: 'compose:shop', type: 'set' }, nif: 'eth0' },
      { ...unknown, name: 'compose:shop', type: 'set' },
    ],
    [
      'a set of selectors',
      { targets: [{ name: 'shop/*' }, { labels: { app: 'web' } }] },
      { ...unknown, name: 'shop/*, app=web', type: 'set' },
    ],
    ['a namespace', { netns: 5 }, { ...unknown, name: 'net:[5]', type: 'netns', netns: 5 }],
  ])('is %s', (_, body, expected) => {
    expect(listed(body)).toEqual({ metadata: {}, containers: [expected] });
  });
});
