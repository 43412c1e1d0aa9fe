import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { listForeignFolder, readForeignFile, type FileRoot } from './foreign-files.js';

const MAX_BYTES = 1000;

describe('A file in a file system that others control', () => {
  let root: FileRoot;
  let outside: string;
  beforeEach(() => {
    const folder = mkdtempSync(join(tmpdir(), 'packetflix-'));
    root = { path: join(folder, 'root'), followsLinks: false };
    outside = join(folder, 'outside');
    mkdirSync(join(root.path, 'run'), { recursive: true });
    mkdirSync(outside);
    writeFileSync(join(outside, 'file'), 'secret');
  });
  afterEach(() => rmSync(join(root.path, '..'), { recursive: true }));

  const read = (path = '/run/file') => readForeignFile(root, path, MAX_BYTES);

  it('is read', () => {
    writeFileSync(join(root.path, 'run/file'), 'é');
    expect(read()).toBe('é');
  });

  it.each<[string, (path: string) => void]>([
    ['a FIFO', (path) => void execFileSync('mkfifo', [path])],
    ['a symbolic link', (path) => symlinkSync(join(outside, 'file'), path)],
    ['a folder', (path) => mkdirSync(path)],
    [
      'a large file',
      (path) => {
        writeFileSync(path, '{}');
        truncateSync(path, MAX_BYTES + 1);
      },
    ],
    ['nothing', () => undefined],
  ])('is not read when it is %s instead', (_, make) => {
    make(join(root.path, 'run/file'));
    expect(read()).toBeUndefined();
  });

  it('is not read, nor is a folder listed, by a symbolic link on the way', () => {
    rmSync(join(root.path, 'run'), { recursive: true });
    symlinkSync(outside, join(root.path, 'run'));
    expect(read()).toBeUndefined();
    expect(listForeignFolder(root, '/run', 10)).toEqual([]);
    expect(readForeignFile({ ...root, followsLinks: true }, '/run/file', MAX_BYTES)).toBe('secret');
  });

  it('is not read by a path that leads out', () => {
    expect(read('/run/../../outside/file')).toBeUndefined();
  });

  it('does not grow without a limit: a folder is listed up to a number of names', () => {
    for (let i = 0; i < 20; i++) writeFileSync(join(root.path, `run/${i}`), '');
    expect(listForeignFolder(root, '/run', 5)).toHaveLength(5);
    expect(listForeignFolder(root, '/run', 50)).toHaveLength(20);
  });
});
