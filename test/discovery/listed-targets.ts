import type { Service } from '../kit/service.js';

/** A target as clients see it; `listTargets` checks the type of each field. */
export interface ListedTarget {
  readonly name: string;
  readonly type: string;
  readonly netns: number;
  readonly 'network-interfaces': readonly string[];
  readonly pid: number;
  readonly starttime: number;
  readonly prefix: string;
}

const FIELDS: Readonly<Record<keyof ListedTarget, (value: unknown) => boolean>> = {
  name: (value) => typeof value === 'string' && value !== '',
  type: (value) => typeof value === 'string' && value !== '',
  netns: (value) => Number.isSafeInteger(value) && Number(value) >= 0,
  'network-interfaces': (value) =>
    Array.isArray(value) && value.every((name) => typeof name === 'string' && name !== ''),
  pid: (value) => Number.isSafeInteger(value) && Number(value) >= 0,
  starttime: (value) => Number.isSafeInteger(value) && Number(value) >= 0,
  prefix: (value) => typeof value === 'string',
};

/** Requests `/discover/mobyshark` and checks it against the contract, field by field. @returns no sets */
export async function listTargets(service: Pick<Service, 'url'>): Promise<ListedTarget[]> {
  return (await listAll(service)).filter(({ type }) => type !== 'set');
}

/** The names of the sets of targets. */
export async function listSets(service: Pick<Service, 'url'>): Promise<string[]> {
  const sets = (await listAll(service)).filter(({ type }) => type === 'set');
  for (const set of sets) {
    expect(set).toMatchObject({ netns: 0, pid: 0, starttime: 0, prefix: '', 'network-interfaces': ['any'] });
  }
  return sets.map(({ name }) => name);
}

async function listAll(service: Pick<Service, 'url'>): Promise<ListedTarget[]> {
  const response = await fetch(service.url('/discover/mobyshark'));
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toMatch(/^application\/json\b/);
  const answer = (await response.json()) as { metadata: unknown; containers: ListedTarget[] };
  expect(Object.keys(answer)).toEqual(['metadata', 'containers']);
  expect(answer.metadata).toEqual(expect.any(Object));
  for (const target of answer.containers) {
    expect(Object.keys(target).sort()).toEqual(Object.keys(FIELDS).sort());
    for (const [field, isValid] of Object.entries(FIELDS)) {
      const value = target[field as keyof ListedTarget];
      const isUnknown = field === 'netns' && value === 0 && target.type !== 'set';
      if (!isValid(value) || isUnknown) throw new Error(`field ${field} of ${JSON.stringify(target)}`);
    }
  }
  return answer.containers;
}
