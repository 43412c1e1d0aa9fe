import { logLine, quotedText, type LogRecord } from './log-line.js';

describe('Untrusted text in a log', () => {
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
  ])('%j is written as %s', (text, expected) => {
    expect(quotedText(text)).toBe(expected);
    expect(JSON.parse(quotedText(text))).toBe(text);
  });
});

describe('A log line', () => {
  const record: LogRecord = {
    level: 'info',
    time: '2026-11-23T00:00:00.000Z',
    role: 'engine',
    pid: 7,
    message: 'm'.repeat(100_000),
    text: 'x'.repeat(100_000),
    error: Object.assign(new Error('e'), { stack: 's'.repeat(100_000) }),
    nested: { text: 'n'.repeat(100_000), big: 2n ** 64n },
    absent: undefined,
  };

  it.each(['text', 'json'] as const)('in %s is cut at 2,000 characters per text', (format) => {
    const line = logLine(record, format);
    expect(line.length).toBeLessThan(8_500);
    expect(line).toContain(`${'x'.repeat(2_000)}…`);
    expect(line).toContain('18446744073709551616');
    expect(line).not.toContain('absent');
  });

  it.each(['text', 'json'] as const)('in %s has a field that contains itself as text', (format) => {
    const circular: Record<string, unknown> = { name: 'loop' };
    circular['self'] = circular;
    const line = logLine({ ...record, message: 'm', circular, last: 1 }, format);
    expect(line).toContain(`"<ref *1> { name: 'loop', self: [Circular *1] }"`);
    expect(format === 'json' ? JSON.parse(line) : {}).toMatchObject(
      format === 'json' ? { level: 'info', message: 'm', last: 1 } : {},
    );
  });
});
