import { CaptureError } from '../../shared/protocol/capture-error.js';
import { closeReason, closingForEnd, closingForError } from './close-codes.js';

describe('Close codes and reasons', () => {
  it.each<[CaptureError['code'], number]>([
    ['invalid-request', 4400],
    ['invalid-interface', 4400],
    ['invalid-filter', 4400],
    ['no-such-namespace', 4404],
    ['no-such-target', 4404],
    ['no-such-interface', 4404],
    ['stale-reference', 4409],
    ['ambiguous-reference', 4409],
    ['too-many-captures', 4429],
    ['discovery-failed', 4502],
    ['not-permitted', 1011],
    ['shutting-down', 1001],
    ['internal', 1011],
  ])('close with the code of the error %s: %d', (code, expected) => {
    expect(closingForError(new CaptureError(code, 'why'))).toMatchObject({
      code: expected,
      cause: code,
      message: 'why',
    });
  });

  it.each([[new Error('secret')], ['secret'], [undefined], [null], [{ code: 'invalid-request' }]])(
    'do not disclose details of the unexpected error %p',
    (error) => {
      expect(closingForError(error)).toEqual({ code: 1011, cause: 'internal', message: 'internal error' });
    },
  );

  it.each([
    ['target-ended' as const, 1000],
    ['stopped' as const, 1000],
    ['internal' as const, 1011],
  ])('close with the code of the end %s: %d', (code, expected) => {
    expect(closingForEnd({ code, message: 'why' })).toMatchObject({
      code: expected,
      cause: code,
      message: 'why',
    });
  });

  it.each([
    ['a short text as it is', 'ciao', 'ciao'],
    ['123 bytes as they are', 'x'.repeat(123), 'x'.repeat(123)],
    ['more bytes cut', 'x'.repeat(124), 'x'.repeat(123)],
    ['characters of two bytes cut between two of them', 'ü'.repeat(62), 'ü'.repeat(61)],
    ['characters of three bytes cut between two of them', `x${'€'.repeat(41)}`, `x${'€'.repeat(40)}`],
    ['characters of four bytes cut between two of them', '🐳'.repeat(31), '🐳'.repeat(30)],
    ['a character that just fits', `${'x'.repeat(119)}🐳!`, `${'x'.repeat(119)}🐳`],
    ['half a character made whole', 'x\ud83d', 'x\ufffd'],
  ])('fit a close frame: %s', (_, message, expected) => {
    const reason = closeReason(message);
    expect(reason.length).toBeLessThanOrEqual(123);
    expect(reason.toString()).toBe(expected);
  });
});
