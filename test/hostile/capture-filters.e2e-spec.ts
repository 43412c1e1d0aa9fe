import { CLOSE_INVALID_REQUEST } from '../kit/close-codes.js';
import { describeAsRoot } from '../kit/root.js';
import { HOSTILE_FILTERS } from './hostile-filters.js';
import { isForeignCall } from './system-calls.js';
import { WatchedService } from './watched-service.js';

/** Twice the documented 3 s, because the machine may be busy. */
const LIMIT_MS = 6_000;
const CAPTURED = 0;

describeAsRoot('Hostile capture filters', () => {
  let watched: WatchedService;
  let slowestMs = 0;
  beforeAll(async () => (watched = await WatchedService.start()));
  afterAll(async () => {
    console.info(`hostile capture filters: the slowest answer took ${slowestMs.toFixed(0)} ms`);
    await watched[Symbol.asyncDispose]();
  });

  it.each(HOSTILE_FILTERS)('are refused or bounded: %s', async (_, filter, expected) => {
    const request = { netns: watched.namespace.inode, nif: 'eth1', filter };
    const { code, reason, ms } = await watched.ask(request, {}, LIMIT_MS);
    slowestMs = Math.max(slowestMs, ms);
    expect(ms).toBeLessThan(LIMIT_MS);
    if (expected === 'any') expect([CAPTURED, CLOSE_INVALID_REQUEST]).toContain(code);
    else expect(code).toBe(expected === 'captured' ? CAPTURED : CLOSE_INVALID_REQUEST);
    if (expected instanceof RegExp) expect(reason).toMatch(expected);
  });

  it('do not make the service connect to anything, look up names or open other types of sockets', () => {
    expect(watched.systemCalls.length).toBeGreaterThan(HOSTILE_FILTERS.length);
    expect(watched.systemCalls.filter(isForeignCall)).toEqual([]);
  });

  it('leave no process', () => watched.nothingIsLeft());

  it('cost another capture no packets', async () => {
    const { sent, ...lost } = await watched.bystander.leave();
    expect(sent).toBeGreaterThan(0);
    expect(lost).toEqual({ missing: 0, reported: 0, disorder: 0 });
  });
});
