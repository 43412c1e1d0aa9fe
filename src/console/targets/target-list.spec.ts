import { target } from '../fixtures/target.js';
import { applyEvent, settle, SHOWN_MS, updateChoice, type TargetList } from './target-list.js';
import { keyOf } from './target.js';

const web = target({ name: 'web', pid: 10 });
const db = target({ name: 'db', pid: 11 });
const NOTHING: TargetList = new Map();

describe('The list of targets', () => {
  const first = applyEvent(NOTHING, { type: 'snapshot', targets: [web, db] }, 0, true);

  it('has the first targets as present', () => {
    expect(presences(first)).toEqual({ web: 'present', db: 'present' });
  });

  it('shows what joins and leaves for some seconds', () => {
    const cache = target({ name: 'cache', pid: 12 });
    let list = applyEvent(first, { type: 'removed', targets: [db] }, 1000, false);
    list = applyEvent(list, { type: 'added', targets: [cache] }, 1000, false);
    expect(presences(list)).toEqual({ web: 'present', db: 'left', cache: 'joined' });
    expect(settle(list, 999 + SHOWN_MS)).toBe(list);
    expect(presences(settle(list, 1000 + SHOWN_MS))).toEqual({ web: 'present', cache: 'present' });
  });

  it('shows what has changed while the connection was lost', () => {
    const cache = target({ name: 'cache', pid: 12 });
    const list = applyEvent(first, { type: 'snapshot', targets: [web, cache] }, 1000, false);
    expect(presences(list)).toEqual({ web: 'present', db: 'left', cache: 'joined' });
  });

  it('takes changes over', () => {
    const list = applyEvent(first, { type: 'changed', targets: [{ ...web, image: 'nginx' }] }, 1000, false);
    expect(list.get(keyOf(web))).toMatchObject({ presence: 'present', target: { image: 'nginx' } });
  });
});

describe('The choice of targets', () => {
  it('goes on with a container that was started again', () => {
    const again = target({ name: 'web', pid: 99 });
    const list = applyEvent(NOTHING, { type: 'snapshot', targets: [again] }, 0, true);
    const choice = updateChoice(new Map([[keyOf(web), web]]), list);
    expect([...choice]).toEqual([[keyOf(again), again]]);
  });

  it('keeps a container that has left', () => {
    const choice = new Map([[keyOf(web), web]]);
    expect([...updateChoice(choice, NOTHING)]).toEqual([...choice]);
  });

  it('does not take a container of another runtime for it', () => {
    const other = target({ name: 'web', pid: 99, prefix: 'inner' });
    const list = applyEvent(NOTHING, { type: 'snapshot', targets: [other] }, 0, true);
    expect([...updateChoice(new Map([[keyOf(web), web]]), list).values()]).toEqual([web]);
  });
});

function presences(list: TargetList): Record<string, string> {
  return Object.fromEntries([...list.values()].map(({ target, presence }) => [target.name, presence]));
}
