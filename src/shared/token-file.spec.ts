import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { TokenFile, TokenFileError } from './token-file.js';

const ONE = 'first-token-0123456789';
const TWO = 'other-token-0123456789';

describe('A token file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'packetflix-test-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  function file(content: string, name = 'token'): string {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  }

  it.each([ONE, `${ONE}\n`, ` ${ONE}\r\n`])('has a token, perhaps on a line: %j', (content) => {
    const token = new TokenFile(file(content));
    expect(token.current()).toBe(ONE);
    expect(token.matches(ONE)).toBe(true);
    for (const wrong of ['', TWO, `${ONE} `, ONE.slice(0, -1), ONE.toUpperCase()]) {
      expect(token.matches(wrong)).toBe(false);
    }
  });

  it('may have every character of a bearer token', () => {
    const token = 'AZaz09-._~+/AZaz09==';
    expect(new TokenFile(file(token)).matches(token)).toBe(true);
  });

  it.each<[string, () => string, RegExp]>([
    ['is missing', () => join(folder, 'missing'), /--token-file: .*missing cannot be used: ENOENT/],
    ['is empty', () => file('\n'), /it is empty/],
    ['is a folder', () => folder, /it is not a file/],
    ['has a short token', () => file('a'.repeat(15)), /at least 16 characters/],
    ['has two tokens', () => file(`${ONE}\n${TWO}\n`), /letters, digits and/],
    ['has a token with other characters', () => file(`${ONE}ä`), /letters, digits and/],
    ['has a token with = inside', () => file('aaaaaaaa=aaaaaaaa'), /letters, digits and/],
    ['is too long', () => file('a'.repeat(17_000)), /more than 16384 bytes/],
  ])('that %s cannot be used at the start', (_, path, message) => {
    expect(() => new TokenFile(path())).toThrow(TokenFileError);
    expect(() => new TokenFile(path())).toThrow(message);
  });

  it('is read again at each change, even if two of them have the same time and length', () => {
    const path = file(ONE);
    const messages: string[] = [];
    const token = new TokenFile(path, (message) => messages.push(message));
    for (let count = 0; count < 50; count++) {
      file(TWO);
      expect([token.matches(ONE), token.matches(TWO)]).toEqual([false, true]);
      file(ONE);
      expect([token.matches(ONE), token.matches(TWO)]).toEqual([true, false]);
    }
    expect(messages).toHaveLength(100);
    expect(messages.join()).not.toMatch(/\w+-token-/);
  });

  it('is read again when it changes after a long time, with the time of modification kept', async () => {
    const path = file(ONE);
    const then = new Date(Date.now() - 60_000);
    utimesSync(path, then, then);
    await sleep(1_100);
    const token = new TokenFile(path);
    expect(token.current()).toBe(ONE);
    file(TWO);
    utimesSync(path, then, then);
    expect(token.current()).toBe(TWO);
  });

  it('may be behind a link that is replaced, as in a volume of Kubernetes', () => {
    for (const [name, content] of [
      ['1', ONE],
      ['2', TWO],
    ] as const) {
      mkdirSync(join(folder, name));
      file(content, `${name}/token`);
    }
    symlinkSync('1', join(folder, '..data'));
    symlinkSync('..data/token', join(folder, 'link'));
    const token = new TokenFile(join(folder, 'link'));
    expect(token.current()).toBe(ONE);
    symlinkSync('2', join(folder, '..new'));
    renameSync(join(folder, '..new'), join(folder, '..data'));
    expect(token.current()).toBe(TWO);
  });

  it('that can no longer be used leaves the last token, with one warning, until it can be used again', () => {
    const path = file(ONE);
    const messages: string[] = [];
    const token = new TokenFile(path, (message, level) => messages.push(`${level} ${message}`));
    rmSync(path);
    expect([token.current(), token.matches(ONE)]).toEqual([ONE, true]);
    file('short');
    expect(token.matches(ONE)).toBe(true);
    expect(messages).toEqual([expect.stringMatching(/^warn .*ENOENT.*; the last token is still used$/)]);
    file(ONE);
    expect(token.matches(ONE)).toBe(true);
    expect(messages[1]).toMatch(/^info .* can be used again$/);
    rmSync(path);
    token.current();
    file(TWO);
    expect(token.current()).toBe(TWO);
    expect(messages.slice(2)).toEqual([
      expect.stringMatching(/^warn/),
      expect.stringMatching(/^info .*has changed$/),
    ]);
  });
});
