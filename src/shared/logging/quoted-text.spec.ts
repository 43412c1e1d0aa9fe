import { quotedText } from './quoted-text.js';

describe('Text of strangers in a log', () => {
  it.each([
    ['eth0', '"eth0"'],
    ['Zürich 🐳', '"Zürich 🐳"'],
    ['two\r\nlines "quoted" \\', '"two\\r\\nlines \\"quoted\\" \\\\"'],
    ['\0\x1b[31mred', '"\\u0000\\u001b[31mred"'],
    ['\x7f\x9b31m', '"\\u007f\\u009b31m"'],
    ['a\u2028b\u2029c\u0085d', '"a\\u2028b\\u2029c\\u0085d"'],
    ['right \u202eot tfel\u202c', '"right \\u202eot tfel\\u202c"'],
    ['\ufeffin\u200bvisible\u{e0041}', '"\\ufeffin\\u200bvisible\\udb40\\udc41"'],
    ['\ud800', '"\\ud800"'],
  ])('%j is %s', (text, expected) => {
    expect(quotedText(text)).toBe(expected);
    expect(JSON.parse(quotedText(text))).toBe(text);
  });

  it('is cut', () => {
    expect(quotedText('x'.repeat(100_000), 5)).toBe('"xxxxx…"');
  });
});
