import { visibleText } from './visible-text.js';

describe('visibleText', () => {
  it.each([
    ['plain text', 'web-1', 'web-1'],
    ['HTML, which the page never interprets', '<b>web</b>', '<b>web</b>'],
    ['letters of other scripts', 'größe 東京', 'größe 東京'],
    ['an escape sequence', '\u001b[2J', '\\u{1b}[2J'],
    ['a character that reverses the text after it', 'a\u202egpj', 'a\\u{202e}gpj'],
    ['a character without width', 'we\u200bb', 'we\\u{200b}b'],
    ['line breaks', 'a\nb\u2028c', 'a\\u{a}b\\u{2028}c'],
    ['half of a surrogate pair', 'a\ud800', 'a\ufffd'],
  ])('shows %s', (_, text, shown) => {
    expect(visibleText(text)).toBe(shown);
  });

  it('cuts long text', () => {
    expect(visibleText('x'.repeat(65_536), 10)).toBe('xxxxxxxxx…');
  });
});
