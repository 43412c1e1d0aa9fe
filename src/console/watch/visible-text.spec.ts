import { visibleText } from './visible-text.js';

describe('visibleText', () => {
  it.each([
    ['plain ünïcode 日本', 'plain ünïcode 日本'],
    ['a\u0000b\nc\u001b[31m', 'a\ufffdb\ufffdc\ufffd[31m'],
    ['\u202egnp.exe', '[U+202E]gnp.exe'],
    ['a\u2066b\u200bc\ufeff', 'a[U+2066]b[U+200B]c[U+FEFF]'],
    ['lone \ud800', 'lone \ufffd'],
  ])('shows %j as %j', (text, expected) => {
    expect(visibleText(text, 100)).toBe(expected);
  });

  it('cuts long texts', () => {
    expect(visibleText('x'.repeat(65_536), 10)).toBe('xxxxxxxxx…');
  });
});
