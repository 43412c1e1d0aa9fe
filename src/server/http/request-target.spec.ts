import { originForm, pathOf } from './request-target.js';

describe('A request target', () => {
  it.each([
    ['/', '/', '/'],
    ['/a/b?c=/d', '/a/b?c=/d', '/a/b'],
    ['//evil/x', '//evil/x', '//evil/x'],
    ['/a/../b/%2F;%zz', '/a/../b/%2F;%zz', '/a/../b/%2F;%zz'],
    ['/a#b?c', '/a#b?c', '/a'],
    ['http://evil/discover/x?y', '/discover/x?y', '/discover/x'],
    ['HTTPS://user:secret@evil:80//x', '//x', '//x'],
    ['http://evil', '/', '/'],
    ['http://evil?x', '/?x', '/'],
    ['ws:///x', '/x', '/x'],
  ])('%j is %j in origin form, with the path %j', (target, origin, path) => {
    expect(originForm(target)).toBe(origin);
    expect(pathOf(target)).toBe(path);
  });

  it.each(['', '*', 'evil:443', 'evil/x', '?/x', 'http:/evil', '://evil/x'])('%j has no path', (target) => {
    expect(originForm(target)).toBeUndefined();
    expect(pathOf(target)).toBeUndefined();
  });
});
