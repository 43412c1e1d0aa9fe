import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { readAnnotations, readUntrustedFile } from './containerd-bundles.js';

describe('A bundle', () => {
  let bundle: string;
  let config: string;
  beforeEach(() => {
    bundle = mkdtempSync(join(tmpdir(), 'packetflix-'));
    config = join(bundle, 'config.json');
  });
  afterEach(() => rmSync(bundle, { recursive: true }));

  it('has the annotations of its config.json', () => {
    writeFileSync(config, '{"annotations":{"nerdctl/name":"web"}}');
    expect(readAnnotations(bundle)).toEqual({ 'nerdctl/name': 'web' });
  });

  it.each(['', '{', 'null', '[]', '{}', '{"annotations":[]}', '{"annotations":"x"}'])(
    'has no annotations when its config.json contains %j',
    (text) => {
      writeFileSync(config, text);
      expect(readAnnotations(bundle)).toEqual({});
    },
  );

  it.each<[string, (path: string) => void]>([
    ['a FIFO', (path) => void execFileSync('mkfifo', [path])],
    ['a symbolic link', (path) => symlinkSync('/proc/self/environ', path)],
    ['a folder', (path) => void execFileSync('mkdir', [path])],
    [
      'a file of several megabytes',
      (path) => {
        writeFileSync(path, '{}');
        truncateSync(path, 5 * 1024 * 1024);
      },
    ],
    ['nothing', () => undefined],
  ])('is not read when it is %s instead of a file', (_, make) => {
    make(config);
    expect(readUntrustedFile(config)).toBeUndefined();
  });
});
