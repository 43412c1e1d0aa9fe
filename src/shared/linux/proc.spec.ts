import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Child } from '../../../test/kit/child.js';
import { parseNamespaceLink, parseNamespaceMounts, parseProcessStat, readLines, readText } from './proc.js';

describe('parseProcessStat', () => {
  const rest = `S 17 4242 4242 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1000 200 18446744073709551615`;

  it.each(['sleep', 'a b', ') S 1 (', '((x))', '))))', ''])('reads past the command name %j', (comm) => {
    expect(parseProcessStat(`4242 (${comm}) ${rest}\n`)).toEqual({ parent: 17, startTime: 987_654 });
  });
});

describe('parseNamespaceMounts', () => {
  const lines = [
    '22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw',
    '99 22 0:4 net:[4026532177] /run/netns/one rw shared:7 - nsfs nsfs rw',
    '100 22 0:4 net:[4026532178] /run/with\\040space\\134and\\011tab rw - nsfs nsfs rw',
    '101 22 0:4 mnt:[4026532179] /run/other rw - nsfs nsfs rw',
    '102 22 0:5 / /run/fake\\040-\\040nsfs rw - tmpfs tmpfs rw',
    '',
  ];

  it('finds the network namespaces among the mounts, with their paths as they are', () => {
    expect([...parseNamespaceMounts(lines)]).toEqual([
      { netns: 4026532177, path: '/run/netns/one' },
      { netns: 4026532178, path: '/run/with space\\and\ttab' },
    ]);
  });
});

describe('parseNamespaceLink', () => {
  it('takes the inode number of network namespaces only', () => {
    expect(parseNamespaceLink('net:[4026531840]')).toBe(4026531840);
    expect(parseNamespaceLink('mnt:[4026531840]')).toBeUndefined();
    expect(parseNamespaceLink('socket:[123]')).toBeUndefined();
  });
});

describe('Reading files of others', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'packetflix-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('reads no more than 64 KiB of a command line, which may be as large as the memory of its process', async () => {
    // The kernel limits a single argument to 128 KiB.
    const padding = Array.from({ length: 8 }, () => 'x'.repeat(100_000));
    await using child = await Child.start('sh', ['-c', 'echo ready; kill -STOP $$', 'sh', ...padding]);
    await child.saying(/ready/);
    expect(readText(`/proc/${child.pid}/cmdline`)).toHaveLength(64 * 1024);
  });

  it('reads lines of any file without a line that is too long', () => {
    const path = join(folder, 'lines');
    writeFileSync(path, `first\n${'x'.repeat(300_000)}\nnet:[7] é\nlast`);
    expect([...readLines(path, 'utf8')]).toEqual(['first', 'net:[7] é', 'last']);
    expect([...readLines(join(folder, 'nothing'))]).toEqual([]);
  });
});
