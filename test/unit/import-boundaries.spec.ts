import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';

const PROJECT = resolve(import.meta.dirname, '../..');
const RULE = 'packetflix/import-boundaries';

/** Lints each text as the content of that file, with the configuration of `npm run lint`. */
const PROGRAM = `
  import { ESLint } from 'eslint';
  const eslint = new ESLint();
  const results = [];
  for (const [filePath, text] of JSON.parse(process.argv[1])) {
    const [{ messages }] = await eslint.lintText(text, { filePath });
    results.push(messages.map(({ ruleId, message }) => [ruleId, message]));
  }
  console.log(JSON.stringify(results));
`;

/** The files exist, because the parser of ESLint accepts only files of tsconfig.test.json. */
const SERVER = 'src/server/main.ts';
const ENGINE = 'src/engine/main.ts';
const SHARED = 'src/shared/single-flight.ts';
const NATIVE = 'src/shared/linux/proc.ts';

const FORBIDDEN: readonly (readonly [file: string, text: string, message: RegExp])[] = [
  [SERVER, `import '../engine/main.js';`, /^server\/ may import itself and shared\/ only$/],
  [SERVER, `import type { Main } from '../engine/main.js';`, /^server\/ may import/],
  [SERVER, `export * from '../supervisor/main.js';`, /^server\/ may import/],
  [SERVER, `export { a } from '../discoverer/main.js';`, /^server\/ may import/],
  [SERVER, `await import('../cli/main.js');`, /^server\/ may import/],
  [SERVER, `import '../main.js';`, /^server\/ may import/],
  [SERVER, `import '../shared/linux/proc.js';`, /must not import src\/shared\/linux/],
  [SERVER, `import 'koffi';`, /^koffi may be imported in src\/shared\/linux\/ only$/],
  [SERVER, `import '../../tools/api/write.js';`, /^files in src\/ may import files in src\/ only$/],
  [ENGINE, `import '../server/main.js';`, /^engine\/ may import/],
  [ENGINE, `import koffi from 'koffi';`, /^koffi may be imported/],
  [SHARED, `import '../engine/main.js';`, /^shared\/ must not import the code of a process$/],
  [SHARED, `import './linux/proc.js';`, /^the server imports shared\/: only src\/shared\/linux/],
  ['src/main.ts', `import '../test/kit/run.js';`, /^files in src\/ may import/],
];

const ALLOWED: readonly (readonly [file: string, text: string])[] = [
  [SERVER, `import './app.module.js';\nimport '../shared/single-flight.js';`],
  [ENGINE, `import '../shared/linux/proc.js';`],
  [NATIVE, `import 'koffi';\nimport './rtnetlink.js';\nimport '../single-flight.js';`],
  ['src/main.ts', `import './server/main.js';\nimport './engine/main.js';`],
];

describe('ESLint', () => {
  let messages: readonly (readonly [rule: string, message: string])[][];
  beforeAll(() => {
    const cases = [...FORBIDDEN, ...ALLOWED].map(([file, text]) => [file, text]);
    const { stdout, stderr } = spawnSync(
      process.execPath,
      ['--input-type=module', '--eval', PROGRAM, JSON.stringify(cases)],
      // If CI is set, typescript-eslint reads the files from the disk instead of using the text.
      { cwd: PROJECT, encoding: 'utf8', env: { ...process.env, TSESTREE_SINGLE_RUN: 'false' } },
    );
    if (stdout === '') throw new Error(stderr);
    messages = JSON.parse(stdout) as typeof messages;
  }, 180_000);

  it.each(FORBIDDEN)('rejects in %s: %s', (file, text, message) => {
    const index = FORBIDDEN.findIndex(([each, other]) => each === file && other === text);
    expect(messages[index]).toContainEqual([RULE, expect.stringMatching(message)]);
  });

  it.each(ALLOWED)('accepts in %s: %s', (file, text) => {
    const index = ALLOWED.findIndex(([each, other]) => each === file && other === text);
    expect(messages[FORBIDDEN.length + index]?.filter(([rule]) => rule === RULE)).toEqual([]);
  });
});
