import type { IncomingMessage } from 'node:http';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TokenFile } from '../../shared/token-file.js';
import { TokenAuthenticator } from './token-authenticator.js';

const TOKEN = 'aZ09-._~+/aZ09-._==';

describe('The authenticator of --token-file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'packetflix-test-'));
  writeFileSync(join(folder, 'token'), TOKEN);
  afterAll(() => rmSync(folder, { recursive: true }));
  const authenticator = new TokenAuthenticator(new TokenFile(join(folder, 'token')));
  const answerTo = (...authorization: string[]) => {
    const headersDistinct = authorization.length > 0 ? { authorization } : {};
    return authenticator.authenticate({ headersDistinct } as IncomingMessage);
  };

  it.each([`Bearer ${TOKEN}`, `bearer ${TOKEN}`, `BEARER   ${TOKEN}`])(
    'admits %j, and names no user',
    (header) => {
      expect(answerTo(header)).toEqual({});
    },
  );

  it.each([
    [[]],
    [['']],
    [['Bearer']],
    [['Bearer ']],
    [[TOKEN]],
    [[`Basic ${TOKEN}`]],
    [[`Bearer${TOKEN}`]],
    [[`Bearer ${TOKEN}x`]],
    [[`Bearer ${TOKEN}, Bearer ${TOKEN}`]],
    [[`XBearer ${TOKEN}`]],
    [[`Bearer ${TOKEN}`, `Bearer ${TOKEN}`]],
    [['Bearer wrong', `Bearer ${TOKEN}`]],
  ])('refuses %j', (headers) => {
    expect(answerTo(...headers)).toMatchObject({ refusal: { statusCode: 401, code: 'unauthorized' } });
  });
});
