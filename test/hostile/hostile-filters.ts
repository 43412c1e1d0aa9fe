/** The expected result of a hostile filter: the reason for its refusal, a capture, or either of them ("any"). */
export type Expected = RegExp | 'captured' | 'any';

type HostileFilter = readonly [what: string, filter: string, expected: Expected];

const UNKNOWN = /unknown/;
const SYNTAX = /syntax error|can't parse/;

/** Filters with names, which must not be looked up. */
const NAMES: readonly HostileFilter[] = [
  ['a host by name', 'host evil.test', UNKNOWN],
  ['two hosts by name', 'src host a.test and dst host b.test', UNKNOWN],
  ['a host by name, IPv6', 'ip6 host evil.test', UNKNOWN],
  ['a network by name', 'net evil.test', UNKNOWN],
  ['an Ethernet address by name', 'ether host evil.test', UNKNOWN],
  ['a gateway by name', 'gateway evil.test', /./],
  ['150 hosts by name', many(150, (number) => `host h${number}.test`, 'or'), UNKNOWN],
  ['a name that would leak data', `host ${'secret-'.repeat(8)}.evil.test`, UNKNOWN],
  ['a service by name', 'port no-such-service', UNKNOWN],
  ['a protocol by name', 'ip proto no-such-protocol', UNKNOWN],
  ['names of services, which are read from a file', 'tcp port http or udp port domain', 'captured'],
];

/** Filters that take much time or memory to compile. */
const EXPENSIVE: readonly HostileFilter[] = [
  ['250 ports, joined by "and"', many(250, (number) => `port ${number + 1}`, 'and'), 'any'],
  ['300 ports, joined by "or"', many(300, (number) => `port ${number + 1}`, 'or'), 'any'],
  [
    '150 overlapping ranges',
    many(150, (number) => `portrange ${number}-${number + 1_000}`, 'and'),
    /more than 2 s/,
  ],
  [
    '100 terms of a port or not a host',
    many(100, (number) => `(port ${number} or not host 1.2.3.${number})`, 'and'),
    'any',
  ],
  ['170 negated hosts', many(170, (number) => `not host 10.0.${number}.1`, 'and'), 'any'],
  ['2,000 nested parentheses', `${'('.repeat(2_000)}udp${')'.repeat(2_000)}`, 'captured'],
  ['unclosed parentheses', '('.repeat(4_096), SYNTAX],
  ['closing parentheses without opening ones', ')'.repeat(4_096), SYNTAX],
  ['4,000 negations', `${'!'.repeat(4_000)}udp`, 'captured'],
  ['1,000 nested loads', `${'ip['.repeat(1_000)}0${']'.repeat(1_000)} = 0`, 'any'],
  ['900 nested subtractions', `ip[0${'-(0'.repeat(900)}${')'.repeat(900)}] = 0`, /registers/],
  ['more than 4,096 instructions', many(160, (number) => `ip6 protochain ${number}`, 'or'), 'any'],
  ['a loop', 'ip6 protochain 6', 'any'],
  ['400 nested VLANs', `${'vlan and '.repeat(400)}ip`, 'any'],
  ['400 MPLS labels', `${'mpls and '.repeat(400)}ip`, 'any'],
  ['one word of 4,096 bytes', 'x'.repeat(4_096), /./],
  ['4,096 spaces', ' '.repeat(4_096), 'any'],
  ['a number of 4,096 digits', '9'.repeat(4_096), /overflow|number/],
  ['an address of 2,000 parts', `host ${'1.'.repeat(2_000)}1`, /./],
  ['one byte more than the limit', `udp${' '.repeat(4_094)}`, /longer than 4096/],
  ['56 kB', many(4_000, (number) => `port ${number}`, 'or'), /longer than 4096/],
];

/** Malformed filters, and text that other programs could interpret. */
const MALFORMED: readonly HostileFilter[] = [
  ['an option of a program', '-r /etc/passwd', SYNTAX],
  ['another option', '-F/etc/shadow', SYNTAX],
  ['a command line', 'udp; $(touch /tmp/pwned)', SYNTAX],
  ['a format string', '%s%s%n%n', SYNTAX],
  ['control characters', 'udp \u0001\u0002', SYNTAX],
  ['NUL', 'udp\0 or tcp', /zero/],
  ['UTF-8', 'host grüße.test', /./],
  ['line feeds', 'udp\nor\ntcp', 'captured'],
  ['a division by zero', 'ip[0] / 0 = 1', /division by zero/],
  ['a remainder of zero', 'ip[0] % 0 = 1', /by zero/],
  ['a shift by too many bits', 'ip[0] << 99 = 1', /shift/],
  ['a load beyond any packet', 'ip[0xffffffff] = 0', 'any'],
  ['a load of eight bytes', 'ip[0:8] = 0', /size/],
  ['an invalid VLAN identifier', 'vlan 4096', /4095/],
  ['a filter for another link type', 'type mgt subtype beacon', /802\.11/],
  ['a filter on the rule of a packet filter', 'rnr 5', /./],
  ['an unterminated string', '"', SYNTAX],
];

export const HOSTILE_FILTERS: readonly HostileFilter[] = [...NAMES, ...EXPENSIVE, ...MALFORMED];

function many(count: number, term: (number: number) => string, operator: 'and' | 'or'): string {
  return Array.from({ length: count }, (_, number) => term(number)).join(` ${operator} `);
}
