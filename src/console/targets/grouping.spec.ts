import { target } from '../fixtures/target.js';
import { groupsOf, searchOf } from './grouping.js';
import { keyOf, type Target } from './target.js';

function namesOf(targets: readonly Target[], by: 'type' | 'project'): Record<string, string[]> {
  const listed = targets.map(
    (each) => ({ key: keyOf(each), target: each, presence: 'present', since: 0 }) as const,
  );
  return Object.fromEntries(
    groupsOf(listed, by).map(({ value, members }) => [value, members.map((member) => member.target.name)]),
  );
}

describe('Groups', () => {
  it('are in the order of their values, with those without a value last, and numbers count as such', () => {
    const targets = [
      target({ name: 'alone' }),
      target({ name: 'web-10', project: 'shop' }),
      target({ name: 'web-9', project: 'shop' }),
      target({ name: 'x', project: 'blog' }),
    ];
    expect(Object.entries(namesOf(targets, 'project'))).toEqual([
      ['blog', ['x']],
      ['shop', ['web-9', 'web-10']],
      ['', ['alone']],
    ]);
  });
});

describe('The search', () => {
  const found = target({ name: 'web', image: 'nginx:1.27', labels: { app: 'Shop' }, prefix: 'kind' });

  it.each(['', 'WEB', 'nginx', 'app=shop', 'kind', 'shop docker', '  web  '])('finds "%s"', (text) => {
    expect(searchOf(text)(found)).toBe(true);
  });

  it.each(['app=web', 'web pod'])('does not find "%s"', (text) => {
    expect(searchOf(text)(found)).toBe(false);
  });
});
