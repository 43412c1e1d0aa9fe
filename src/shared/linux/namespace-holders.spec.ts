import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findProcesses } from './namespace-holders.js';

describe('The search for processes in network namespaces', () => {
  const proc = mkdtempSync(join(tmpdir(), 'packetflix-test-'));
  afterAll(() => rmSync(proc, { recursive: true }));

  it('finds those of several namespaces at once, and none of a namespace that has been found', () => {
    for (const [pid, netns] of [
      [101, 7001],
      [102, 7002],
      [103, 7001],
      [104, 7003],
    ]) {
      mkdirSync(`${proc}/${pid}/ns`, { recursive: true });
      symlinkSync(`net:[${netns}]`, `${proc}/${pid}/ns/net`);
    }
    const wanted = new Set([7001, 7003, 7004]);
    const found = [];
    for (const each of findProcesses(proc, wanted)) {
      found.push(each);
      wanted.delete(each.netns);
    }
    expect(found).toHaveLength(2);
    expect(found).toContainEqual({ netns: 7003, holder: { kind: 'process', pid: 104 } });
  });
});
