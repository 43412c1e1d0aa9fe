import { TARGET_SETS } from './target-set-option.js';

describe('The option --target-set', () => {
  it('has a set per line', () => {
    expect(TARGET_SETS.parse('web=[{"labels":{"app":"web"}}]\n\n my shop=[{}]\n')).toEqual([
      { name: 'web', selectors: [{ labels: { app: 'web' } }] },
      { name: 'my shop', selectors: [{}] },
    ]);
  });

  it.each([
    ['web', /^must be NAME=JSON.*not "web"$/],
    ['=[{}]', /^must be NAME=JSON/],
    ['compose:x=[{}]', /^must be NAME=JSON/],
    ['*=[{}]', /^must be NAME=JSON/],
    ['web=[{"labels":5}]', /^web\[0\]\.labels must be an object of strings$/],
    ['web={}', /^web must be an array of selectors$/],
    ['web=[{}]\nweb=[{}]', /^web is given twice$/],
  ])('names what is wrong with %j', (text, problem) => {
    expect(TARGET_SETS.parse(text)).toBeUndefined();
    expect(TARGET_SETS.explain?.(text)).toMatch(problem);
  });

  it('accepts only what it has parsed', () => {
    expect(TARGET_SETS.accepts([{ name: 'web', selectors: [{}] }])).toBe(true);
    for (const value of [undefined, {}, [{ name: '*', selectors: [] }], [{ name: 'web' }]]) {
      expect(TARGET_SETS.accepts(value)).toBe(false);
    }
  });
});
