import { mkdirSync, mkdtempSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ChangeDetector } from './change-detector.js';

describe('ChangeDetector', () => {
  let proc: string;
  let nowMs: number;
  let detector: ChangeDetector;

  beforeEach(() => {
    proc = mkdtempSync(join(tmpdir(), 'proc-'));
    nowMs = 0;
    addProcess(1, 0, 1);
    writeFileSync(join(proc, '1/mountinfo'), '');
    detector = new ChangeDetector(proc, () => nowMs);
  });
  afterEach(() => rmSync(proc, { recursive: true }));

  function addProcess(pid: number, parent: number, netns: number): void {
    const folder = join(proc, String(pid));
    mkdirSync(join(folder, 'ns'), { recursive: true });
    writeFileSync(join(folder, 'stat'), `${pid} (p) S ${parent} ${'0 '.repeat(17)}1`);
    symlinkSync(`net:[${netns}]`, join(folder, 'ns/net'));
    symlinkSync('mnt:[1]', join(folder, 'ns/mnt'));
  }

  function enter(pid: number, netns: number): void {
    unlinkSync(join(proc, String(pid), 'ns/net'));
    symlinkSync(`net:[${netns}]`, join(proc, String(pid), 'ns/net'));
  }

  /** A look after this time. */
  function pollAfter(ms: number): boolean {
    nowMs += ms;
    return detector.poll();
  }

  /** Until nothing is young any more. */
  function settle(): void {
    pollAfter(0);
    pollAfter(10_000);
    expect(pollAfter(1_000)).toBe(false);
  }

  it('reports the first look as a change', () => {
    expect(pollAfter(0)).toBe(true);
  });

  it('reports a process in a namespace of its own when it is new, once more when it settles, and when it ends', () => {
    settle();
    addProcess(7, 1, 2);
    expect([pollAfter(1_000), pollAfter(1_000), pollAfter(2_000), pollAfter(1_000)]).toEqual([
      true,
      false,
      true,
      false,
    ]);
    rmSync(join(proc, '7'), { recursive: true });
    expect([pollAfter(1_000), pollAfter(1_000)]).toEqual([true, false]);
  });

  it('reports no process that shares the namespaces of its parent', () => {
    settle();
    addProcess(8, 1, 1);
    expect([pollAfter(1_000), pollAfter(3_000)]).toEqual([false, false]);
    rmSync(join(proc, '8'), { recursive: true });
    expect(pollAfter(1_000)).toBe(false);
  });

  it('reports a young process that enters a namespace', () => {
    settle();
    addProcess(9, 1, 1);
    expect(pollAfter(1_000)).toBe(false);
    enter(9, 3);
    expect(pollAfter(1_000)).toBe(true);
  });

  it('reports a process that has got the id of another one', () => {
    addProcess(7, 1, 2);
    settle();
    rmSync(join(proc, '7'), { recursive: true });
    mkdirSync(join(proc, 'taken')); // the inode number would be used again
    addProcess(7, 1, 2);
    expect(pollAfter(1_000)).toBe(true);
  });

  it('reports a mount', () => {
    settle();
    writeFileSync(join(proc, '1/mountinfo'), '1 1 0:4 net:[5] /run/netns/blue rw - nsfs nsfs rw\n');
    expect([pollAfter(1_000), pollAfter(1_000)]).toEqual([true, false]);
  });
});
