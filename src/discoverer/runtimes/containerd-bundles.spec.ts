import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { readAnnotations } from './containerd-bundles.js';
import type { FileRoot } from './foreign-files.js';

describe('A bundle', () => {
  let root: FileRoot;
  let config: string;
  beforeEach(() => {
    const path = mkdtempSync(join(tmpdir(), 'packetflix-'));
    root = { path, followsLinks: false };
    mkdirSync(join(path, 'bundle'));
    config = join(path, 'bundle', 'config.json');
  });
  afterEach(() => rmSync(root.path, { recursive: true }));

  it('has the annotations of its config.json', () => {
    writeFileSync(config, '{"annotations":{"nerdctl/name":"web"}}');
    expect(readAnnotations(root, '/bundle')).toEqual({ 'nerdctl/name': 'web' });
  });

  it.each(['', '{', 'null', '[]', '{}', '{"annotations":[]}', '{"annotations":"x"}'])(
    'has no annotations when its config.json contains %j',
    (text) => {
      writeFileSync(config, text);
      expect(readAnnotations(root, '/bundle')).toEqual({});
    },
  );
});
