import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const SOURCES = import.meta.dirname;
const INDEX = readFileSync(join(SOURCES, 'index.ts'), 'utf8');
/** The declaration behind a doc comment with the mark; decorators may stand in between. */
const MARKED =
  /@publicApi\s+\*\/\s+(?:@.*\s+)*export (?:abstract class|class|interface|(?:async )?function|type|const) (\w+)/g;

describe('The public face', () => {
  it('exports everything that is marked as public', () => {
    const marked = readdirSync(SOURCES, { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts') && !path.endsWith('.spec.ts'))
      .flatMap((path) => [...readFileSync(join(SOURCES, path), 'utf8').matchAll(MARKED)])
      .map(([, name]) => name!);
    expect(marked).toEqual(expect.arrayContaining(['CaptureProvider', 'CaptureModule', 'UpgradeRoutes']));
    expect(marked.filter((name) => !new RegExp(`\\b${name}\\b`).test(INDEX))).toEqual([]);
  });

  it('leaves the privileged side out, but for types', () => {
    const values = INDEX.split('\n').filter((line) => line.startsWith('export {'));
    expect(values.filter((line) => /\/(engine|supervisor|discoverer|linux)\//.test(line))).toEqual([]);
  });
});
