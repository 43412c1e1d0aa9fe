import { describe, expect, it } from '@jest/globals';
import { SingleFlight } from './single-flight.js';

/** A request whose answers the test gives by hand. */
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
  it('shares a failure as well, and does not keep it', async () => {
    const { shared, sent } = manualRequest();
    const asked = Promise.allSettled([shared.ask(), shared.ask()]);
    sent[0]!.answer.reject(new Error('down'));
    expect((await asked).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    const again = shared.ask();
    sent[1]!.answer.resolve('up');
    expect(await again).toBe('up');
  });

  it('has one request under way and at most one waiting, whoever asks', async () => {
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

  it('still sends the fresh request when the one before it failed', async () => {
    const { shared, sent } = manualRequest();
    const first = shared.ask();
    const fresh = shared.ask(true);
    sent[0]!.answer.reject(new Error('down'));
    await expect(first).rejects.toThrow('down');
    await new Promise(setImmediate);
    sent[1]!.answer.resolve('new');
    expect(await fresh).toBe('new');
  });

  it('sends no fresh request when all who waited for it have given up', async () => {
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

  it('aborts the request only when the last asker has given up', async () => {
    const { shared, sent } = manualRequest();
    const aborts = [new AbortController(), new AbortController()];
    const asked = aborts.map((abort) => shared.ask(false, abort.signal).catch(() => 'gave up'));
    aborts[0]!.abort();
    expect(await asked[0]).toBe('gave up');
    expect(sent[0]!.signal.aborted).toBe(false);
    aborts[1]!.abort();
    expect(await asked[1]).toBe('gave up');
    expect(sent[0]!.signal.aborted).toBe(true);
  });

  it('takes a request that throws at once for one that fails', async () => {
    const shared = new SingleFlight<string>(() => {
      throw new Error('at once');
    });
    await expect(shared.ask()).rejects.toThrow('at once');
    await expect(shared.ask()).rejects.toThrow('at once');
  });
});
