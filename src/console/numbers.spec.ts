import { bytesText, countText, elapsedText, numberText } from './numbers.js';

describe('The text', () => {
  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [999.7, '1.00 kB'],
    [1000, '1.00 kB'],
    [12_345_678, '12.3 MB'],
    [999_600, '1.00 MB'],
    [999_800, '1.00 MB'],
    [123_456_789_000, '123 GB'],
    [5e15, '5000 TB'],
  ])('of %d bytes', (bytes, text) => {
    expect(bytesText(bytes)).toBe(text);
  });

  it.each([
    [12_999, '12s'],
    [185_000, '3m 05s'],
    [7_800_000, '2h 10m'],
    [356_400_000, '4d 3h'],
    [-5, '0s'],
  ])('of %d milliseconds', (milliseconds, text) => {
    expect(elapsedText(milliseconds)).toBe(text);
  });

  it('of a number has separators', () => {
    expect(numberText(1234567.6)).toBe('1,234,568');
  });

  it('of a count is singular or plural', () => {
    expect(countText(1, 'packet')).toBe('1 packet');
    expect(countText(2000, 'packet')).toBe('2,000 packets');
    expect(countText(0, 'container or pod', 'containers and pods')).toBe('0 containers and pods');
  });
});
