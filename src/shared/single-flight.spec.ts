import { describe, expect, it } from '@jest/globals';
import { SingleFlight } from './single-flight.js';

/** A request that the test answers explicitly. */
function manualRequest() {
  const sent: { signal: AbortSignal; answer: PromiseWithResolvers<string> }[] = [];
  const shared = new SingleFlight<string>((signal) => {
    const answer = Promise.withResolvers<string>();
    signal.addEventListener('abort', () => answer.reject(signal.reason));
    sent.push({ signal, answer });
    return answer.promise;
  });
  return { shared, sent };
}

describe('SingleFlight', () => {
  it('shares a failure, too, and does not cache it', async () => {
    const { shared, sent } = manualRequest();
    const asked = Promise.allSettled([shared.ask(), shared.ask()]);
    sent[0]!.answer.reject(new Error('down'));
    expect((await asked).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    const again = shared.ask();
    sent[1]!.answer.resolve('up');
    expect(await again).toBe('up');
  });

  it('runs one request and keeps at most one waiting', async () => {
    const { shared, sent } = manualRequest();
    const first = shared.ask(true);
    const others = Array.from({ length: 100 }, () => shared.ask(true));
    expect(sent).toHaveLength(1);
    sent[0]!.answer.resolve('old');
    expect(await first).toBe('old');
    await new Promise(setImmediate);
    expect(sent).toHaveLength(2);
    sent[1]!.answer.resolve('new');
    expect(new Set(await Promise.all(others))).toEqual(new Set(['new']));
  });

  it('sends the waiting request when the running one fails', async () => {
    const { shared, sent } = manualRequest();
    const first = shared.ask();
    const fresh = shared.ask(true);
    sent[0]!.answer.reject(new Error('down'));
    await expect(first).rejects.toThrow('down');
    await new Promise(setImmediate);
    sent[1]!.answer.resolve('new');
    expect(await fresh).toBe('new');
  });

  it('does not send the waiting request when all its callers have aborted', async () => {
    const { shared, sent } = manualRequest();
    const first = shared.ask();
    const abort = new AbortController();
    const fresh = shared.ask(true, abort.signal);
    abort.abort(new Error('gone'));
    await expect(fresh).rejects.toThrow('gone');
    const later = shared.ask(true);
    sent[0]!.answer.resolve('old');
    expect(await first).toBe('old');
    await new Promise(setImmediate);
    expect(sent).toHaveLength(2);
    sent[1]!.answer.resolve('new');
    expect(await later).toBe('new');
  });

  it('aborts the request when its last caller has aborted', async () => {
    const { shared, sent } = manualRequest();
    const aborts = [new AbortController(), new AbortController()];
    const asked = aborts.map((abort) => shared.ask(false, abort.signal).catch(() => 'aborted'));
    aborts[0]!.abort();
    expect(await asked[0]).toBe('aborted');
    expect(sent[0]!.signal.aborted).toBe(false);
    aborts[1]!.abort();
    expect(await asked[1]).toBe('aborted');
    expect(sent[0]!.signal.aborted).toBe(true);
  });

  it('treats a request that throws synchronously as a failed one', async () => {
    const shared = new SingleFlight<string>(() => {
      throw new Error('at once');
    });
    await expect(shared.ask()).rejects.toThrow('at once');
    await expect(shared.ask()).rejects.toThrow('at once');
  });
});
