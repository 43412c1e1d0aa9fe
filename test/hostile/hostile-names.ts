/** What a hostile interface name must come to: a refusal, or a capture that is none the worse for it. */
export type Expected = 'refused' | 'not found' | 'captured';

/** Names of no interface, written as a stranger would to reach something else; `eth1` is one that is there. */
export const HOSTILE_NAMES: readonly (readonly [what: string, name: string, expected: Expected])[] = [
  ['another machine, as libpcap opens it', 'TCP@127.0.0.1:19000', 'refused'],
  ['the same in small letters', 'tcp@127.0.0.1', 'refused'],
  ['another machine by name', 'TCP@evil.test', 'refused'],
  ['a remote capture daemon', 'rpcap://127.0.0.1:2002/eth1', 'refused'],
  ['a remote capture daemon, shorter', 'rpcap:', 'refused'],
  ['standard input', '-', 'refused'],
  ['an option', '-i', 'refused'],
  ['an option with a value', '-w/tmp/pwned', 'refused'],
  ['a path', '/etc/shadow', 'not found'],
  ['a path upwards', '../../etc/shadow', 'refused'],
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
  ['the bus of the system', 'dbus-system', 'refused'],
  ['an alias', 'eth1:1', 'refused'],
  ['this folder', '.', 'refused'],
  ['the one above', '..', 'refused'],
  ['white space', ' ', 'refused'],
  ['a name with a blank', 'eth1 eth0', 'refused'],
  ['a line feed', 'eth1\n', 'refused'],
  ['NUL', 'eth1\0', 'refused'],
  ['an escape sequence', '\u001b[2Jeth1', 'refused'],
  ['a delete', 'eth1\u007f', 'refused'],
  ['a byte too long', 'x'.repeat(16), 'refused'],
  ['100,000 bytes', 'x'.repeat(100_000), 'refused'],
  ['UTF-8 that is too long in bytes only', 'ä'.repeat(8), 'refused'],
  ['UTF-8', 'ëth1', 'not found'],
  ['letters that look the same', 'еth1', 'not found'],
  ['a format', '%s%n%s%n', 'not found'],
  ['the same 1,000 times', Array<string>(1_000).fill('eth1').join('/'), 'captured'],
  ['1,000 that are not there', manyNames(1_000), 'not found'],
  ['1,000 and one that is', `${manyNames(1_000)}/eth1`, 'captured'],
  ['1,000 and one that must not be', `${manyNames(1_000)}/nflog`, 'refused'],
  ['separators', '/'.repeat(1_000), 'captured'],
];

function manyNames(count: number): string {
  return Array.from({ length: count }, (_, number) => `missing${number}`).join('/');
}
