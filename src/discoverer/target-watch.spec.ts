import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { TargetWatch, versioned } from './target-watch.js';

/** A scanner of which the test says what it finds. */
class Host {
  text = 'first';
  changed = false;
  failure?: Error;
  scans = 0;
  stops = 0;

  scan(): Promise<Uint8Array> {
    this.scans++;
    if (this.failure) return Promise.reject(this.failure);
    return Promise.resolve(new TextEncoder().encode(this.text));
  }

  poll(): Promise<boolean> {
    const { changed } = this;
    this.changed = false;
    return Promise.resolve(changed);
  }

  stopWatching(): void {
    this.stops++;
  }
}

const NEVER = new AbortController().signal;

async function textAfter(watch: TargetWatch, version: string, timeoutMs = 10_000): Promise<string> {
  return new TextDecoder().decode((await watch.whenChanged(version, timeoutMs, NEVER)).document);
}

const versionOf = (text: string): string => versioned(new TextEncoder().encode(text)).version;

describe('TargetWatch', () => {
  it('answers at once who knows another version, and the others when there is a change', async () => {
    const host = new Host();
    const watch = new TargetWatch(host);
    expect(await textAfter(watch, '')).toBe('first');
    const next = textAfter(watch, versionOf('first'));
    await sleep(100);
    expect(host.scans).toBe(1);
    host.text = 'second';
    host.changed = true;
    expect(await next).toBe('second');
    expect(host.scans).toBe(2);
  });

  it('scans soon after an event, once for many', async () => {
    const host = new Host();
    const watch = new TargetWatch(host);
    await textAfter(watch, '');
    host.text = 'second';
    const begin = performance.now();
    const next = textAfter(watch, versionOf('first'));
    for (let i = 0; i < 10; i++) watch.onEvent();
    expect(await next).toBe('second');
    expect(performance.now() - begin).toBeLessThan(900);
    expect(host.scans).toBe(2);
  });

  it('answers with what it knows when nothing has changed', async () => {
    const watch = new TargetWatch(new Host());
    await textAfter(watch, '');
    expect(await textAfter(watch, versionOf('first'), 200)).toBe('first');
  });

  it('fails when the scan fails, and recovers', async () => {
    const host = new Host();
    host.failure = new Error('no /proc');
    const watch = new TargetWatch(host);
    await expect(textAfter(watch, '')).rejects.toThrow('no /proc');
    delete host.failure;
    host.changed = true;
    expect(await textAfter(watch, 'other')).toBe('first');
  });

  it('does not wait for those who have gone', async () => {
    const host = new Host();
    const watch = new TargetWatch(host);
    await textAfter(watch, '');
    const gone = new AbortController();
    const answer = watch.whenChanged(versionOf('first'), 10_000, gone.signal);
    gone.abort(new Error('gone'));
    await expect(answer).rejects.toThrow('gone');
  });

  it('rests a while after the last one who waited', async () => {
    const host = new Host();
    const watch = new TargetWatch(host);
    await textAfter(watch, '');
    await sleep(7_000);
    expect(host.stops).toBe(1);
    const { scans } = host;
    await sleep(1_500);
    expect(host.scans).toBe(scans);
    expect(await textAfter(watch, '')).toBe('first');
  }, 20_000);
});
