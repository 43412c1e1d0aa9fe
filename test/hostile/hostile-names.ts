/** The expected result of a hostile interface name: a refusal, or a capture of the existing interfaces. */
export type Expected = 'refused' | 'not found' | 'captured';

/** Names by which an untrusted client could try to reach something other than an interface. Only `eth1` exists. */
export const HOSTILE_NAMES: readonly (readonly [what: string, name: string, expected: Expected])[] = [
  ['another machine, as libpcap opens it', 'TCP@127.0.0.1:19000', 'refused'],
  ['the same in lower case', 'tcp@127.0.0.1', 'refused'],
  ['another machine by name', 'TCP@evil.test', 'refused'],
  ['a remote capture daemon', 'rpcap://127.0.0.1:2002/eth1', 'refused'],
  ['a remote capture daemon, shorter', 'rpcap:', 'refused'],
  ['standard input', '-', 'refused'],
  ['an option', '-i', 'refused'],
  ['an option with a value', '-w/tmp/pwned', 'refused'],
  ['a path', '/etc/shadow', 'not found'],
  ['a path to a parent folder', '../../etc/shadow', 'refused'],
  ['a pipe', '/proc/self/fd/0', 'refused'],
  ['a socket', 'unix:/run/x.sock', 'refused'],
  ['a program', '|id', 'not found'],
  ['a command line', '$(id)', 'not found'],
  ['digits: the number of an interface', '1', 'refused'],
  ['more digits', '4294967296', 'refused'],
  ['firewall logs', 'nflog', 'refused'],
  ['firewall logs of a group', 'nflog:5', 'refused'],
  ['packets that a firewall queues', 'nfqueue', 'refused'],
  ['a USB bus', 'usbmon0', 'refused'],
  ['Bluetooth', 'bluetooth0', 'refused'],
  ['the D-Bus system bus', 'dbus-system', 'refused'],
  ['an alias', 'eth1:1', 'refused'],
  ['the current folder', '.', 'refused'],
  ['the parent folder', '..', 'refused'],
  ['white space', ' ', 'refused'],
  ['a name with a blank', 'eth1 eth0', 'refused'],
  ['a line feed', 'eth1\n', 'refused'],
  ['NUL', 'eth1\0', 'refused'],
  ['an escape sequence', '\u001b[2Jeth1', 'refused'],
  ['a delete character', 'eth1\u007f', 'refused'],
  ['a byte too long', 'x'.repeat(16), 'refused'],
  ['100,000 bytes', 'x'.repeat(100_000), 'refused'],
  ['UTF-8 with too many bytes but few characters', 'ä'.repeat(8), 'refused'],
  ['UTF-8', 'ëth1', 'not found'],
  ['a Cyrillic letter that looks like a Latin one', 'еth1', 'not found'],
  ['a format string', '%s%n%s%n', 'not found'],
  ['an existing interface 1,000 times', Array<string>(1_000).fill('eth1').join('/'), 'captured'],
  ['1,000 missing interfaces', manyNames(1_000), 'not found'],
  ['1,000 missing interfaces and one that exists', `${manyNames(1_000)}/eth1`, 'captured'],
  ['1,000 missing interfaces and a forbidden name', `${manyNames(1_000)}/nflog`, 'refused'],
  ['separators only', '/'.repeat(1_000), 'captured'],
];

function manyNames(count: number): string {
  return Array.from({ length: count }, (_, number) => `missing${number}`).join('/');
}
