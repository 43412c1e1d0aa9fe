import { describeAsRoot } from '../kit/root.js';
import { run } from '../kit/run.js';

const PROGRAM = new URL('programs/compile-without-descriptors.mjs', import.meta.url).pathname;

describeAsRoot('Filters in an engine without free descriptors', () => {
  it('fail without ending the engine, and are compiled again when descriptors are free', async () => {
    const command = ['--nofile=64', process.execPath, PROGRAM];
    const lines = (await run('prlimit', ...command)).trim().split('\n');
    expect(lines.slice(0, 12)).toEqual(Array<unknown>(12).fill(expect.stringMatching(/EMFILE|descriptors/)));
    expect(lines.slice(12)).toEqual(Array(6).fill('compiled'));
  });
});
