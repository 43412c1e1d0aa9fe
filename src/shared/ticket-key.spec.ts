import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TICKET_KEY_BYTES, ticketKey } from './ticket-key.js';

describe('The key that signs tickets', () => {
  const folder = mkdtempSync(join(tmpdir(), 'packetflix-test-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  function file(name: string, content: string): string {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  }

  it('is a new one each time without a file', () => {
    const [one, other] = [ticketKey(undefined), ticketKey(undefined)];
    expect(one).toHaveLength(TICKET_KEY_BYTES);
    expect(one.equals(other)).toBe(false);
  });

  it('depends on nothing but the content of a file', () => {
    const key = ticketKey(file('one', 'k'.repeat(32)));
    expect(key).toHaveLength(TICKET_KEY_BYTES);
    expect(key.equals(ticketKey(file('copy', 'k'.repeat(32))))).toBe(true);
    expect(key.equals(ticketKey(file('other', 'k'.repeat(33))))).toBe(false);
  });

  it.each<[string, () => string, RegExp]>([
    ['that is too short', () => file('short', 'k'.repeat(31)), /short cannot be used: .* less than 32 bytes/],
    ['that is too long', () => file('long', 'k'.repeat(70_000)), /more than 65536 bytes/],
    ['that does not exist', () => join(folder, 'missing'), /missing cannot be used: ENOENT/],
    ['that is a folder', () => folder, /not a file/],
  ])('cannot be made from a file %s', (_, path, message) => {
    expect(() => ticketKey(path())).toThrow(message);
  });
});
