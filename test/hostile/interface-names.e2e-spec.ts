import { CLOSE_INVALID_REQUEST, CLOSE_NOT_FOUND } from '../kit/close-codes.js';
import { describeAsRoot } from '../kit/root.js';
import { type Expected, HOSTILE_NAMES } from './hostile-names.js';
import { isForeignCall } from './system-calls.js';
import { WatchedService } from './watched-service.js';

/** Twice the documented 3 s, because the machine may be busy. */
const LIMIT_MS = 6_000;
/** Expected close codes; 0 stands for a capture that has started. */
const CODES: Readonly<Record<Expected, number>> = {
  refused: CLOSE_INVALID_REQUEST,
  'not found': CLOSE_NOT_FOUND,
  captured: 0,
};

describeAsRoot('Hostile interface names', () => {
  let watched: WatchedService;
  let slowestMs = 0;
  beforeAll(async () => (watched = await WatchedService.start()));
  afterAll(async () => {
    console.info(`hostile interface names: the slowest answer took ${slowestMs.toFixed(0)} ms`);
    await watched[Symbol.asyncDispose]();
  });

  it.each(HOSTILE_NAMES)('are refused or have no effect: %s', async (_, nif, expected) => {
    const netns = watched.namespace.inode;
    const container = JSON.stringify({ netns, 'network-interfaces': nif.split('/') });
    const ways = [
      watched.ask({ netns, nif }, {}, LIMIT_MS),
      watched.ask({ container }, {}, LIMIT_MS),
      ...(mayBeHeader(nif)
        ? [watched.ask({ netns }, { headers: { 'Clustershark-Nif': bytes(nif) } }, LIMIT_MS)]
        : []),
    ];
    for (const { code, reason, ms } of await Promise.all(ways)) {
      expect({ code, reason }).toEqual({ code: CODES[expected], reason: expect.any(String) as string });
      slowestMs = Math.max(slowestMs, ms);
      expect(ms).toBeLessThan(LIMIT_MS);
    }
  });

  it('do not make the service connect to anything, open other types of sockets or start programs', () => {
    expect(watched.systemCalls.length).toBeGreaterThan(HOSTILE_NAMES.length);
    expect(watched.systemCalls.filter(isForeignCall)).toEqual([]);
  });

  it('leave no process', () => watched.nothingIsLeft());

  it('cost another capture no packets', async () => {
    const { sent, ...lost } = await watched.bystander.leave();
    expect(sent).toBeGreaterThan(0);
    expect(lost).toEqual({ missing: 0, reported: 0, disorder: 0 });
  });
});

/** Node sends header values in latin1, one byte for each character. */
function bytes(text: string): string {
  return Buffer.from(text).toString('latin1');
}

function mayBeHeader(text: string): boolean {
  return /^[\x21-\x7e\x80-\xff]+$/.test(bytes(text));
}
