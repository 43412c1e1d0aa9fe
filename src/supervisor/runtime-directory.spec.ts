import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RuntimeDirectory } from './runtime-directory.js';

describe('RuntimeDirectory', () => {
  let parent: string;
  beforeEach(() => (parent = mkdtempSync(join(tmpdir(), 'runtime-spec-'))));
  afterEach(() => rmSync(parent, { recursive: true }));

  it('is private, and is removed with its content', () => {
    const directory = RuntimeDirectory.create(undefined, [parent]);
    expect(statSync(directory.path).mode & 0o777).toBe(0o700);
    expect(directory.engineSocket(1)).toBe(`${directory.path}/engine-1.sock`);
    directory.remove();
    expect(existsSync(directory.path)).toBe(false);
  });

  it('uses the next parent if one is not usable, or too long for the path of a socket', () => {
    const directory = RuntimeDirectory.create(undefined, ['/nonexistent', `/tmp/${'x'.repeat(80)}`, parent]);
    expect(directory.path.startsWith(parent)).toBe(true);
  });

  it('removes directories of supervisors that are gone, and nothing else', () => {
    const living = RuntimeDirectory.create(undefined, [parent]);
    const leftover = living.path.replace(`-${process.pid}-`, '-999999999-');
    const ofAnotherNamespace = join(parent, 'packetflix-1-999999999-abcdef');
    for (const path of [leftover, ofAnotherNamespace]) mkdirSync(path);
    const fresh = RuntimeDirectory.create(undefined, [parent]);
    const expected = [living.path, ofAnotherNamespace, fresh.path];
    expect(readdirSync(parent).map((name) => join(parent, name))).toEqual(expect.arrayContaining(expected));
    expect(readdirSync(parent)).toHaveLength(expected.length);
  });

  it('names the parents in the error when none is usable', () => {
    expect(() => RuntimeDirectory.create(undefined, ['/nonexistent', '/proc'])).toThrow(
      '/nonexistent, /proc',
    );
  });
});
