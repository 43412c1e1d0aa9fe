import { TargetChanges, type ListedTarget } from './target-changes.js';

function target(name: string, facts: Partial<ListedTarget> = {}): ListedTarget {
  return {
    ...{ name, prefix: '', type: 'docker', node: 'here', netns: 5, pid: 7, starttime: 9, interfaces: [] },
    ...{ labels: {}, namespace: '', project: '', image: '' },
    ...facts,
  };
}

const brief = (events: readonly { type: string; targets: readonly ListedTarget[] }[]): string[] =>
  events.map(({ type, targets }) => `${type} ${targets.map(({ name }) => name).join()}`);

describe('TargetChanges', () => {
  const web = target('web');
  const db = target('db', { pid: 8 });

  it('tells what was added, changed and removed', () => {
    const changes = new TargetChanges();
    expect(brief(changes.update([web]))).toEqual(['added web']);
    expect(brief(changes.update([web, db]))).toEqual(['added db']);
    expect(brief(changes.update([{ ...web, name: 'renamed' }, db]))).toEqual(['changed renamed']);
    expect(brief(changes.update([{ ...web, starttime: 10 }]))).toEqual(['removed renamed,db', 'added web']);
    expect(changes.update([{ ...web, starttime: 10 }])).toEqual([]);
  });

  it('begins with a snapshot, and resumes after an event that it knows', () => {
    const changes = new TargetChanges();
    changes.update([web]);
    const [snapshot] = changes.since(undefined);
    expect(snapshot).toMatchObject({ type: 'snapshot', targets: [web] });
    expect(changes.since(snapshot?.id)).toEqual([]);
    changes.update([web, db]);
    changes.update([db]);
    expect(brief(changes.since(snapshot?.id))).toEqual(['added db', 'removed web']);
    expect(brief(changes.since('of another run'))).toEqual(['snapshot db']);
  });

  it('keeps no events without a limit', () => {
    const changes = new TargetChanges();
    const [first] = changes.update([web]);
    for (let i = 0; i < 300; i++) changes.update([{ ...web, image: String(i) }]);
    expect(brief(changes.since(first?.id))).toEqual(['snapshot web']);
  });
});
