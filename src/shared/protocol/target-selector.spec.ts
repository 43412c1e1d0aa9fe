import fc from 'fast-check';
import { CaptureError } from './capture-error.js';
import {
  describeSelectors,
  selectionOf,
  matcherOf,
  parseTargetSelectors,
  patternOf,
  type TargetSelector,
} from './target-selector.js';

const WEB = {
  name: 'shop-web-1',
  type: 'docker',
  prefix: '',
  namespace: '',
  node: 'here',
  labels: { app: 'web', tier: 'front' },
};

function refusalOf(json: string): CaptureError {
  try {
    parseTargetSelectors(json);
  } catch (error) {
    if (error instanceof CaptureError) return error;
    throw error;
  }
  throw new Error(`${json} was accepted`);
}

describe('parseTargetSelectors', () => {
  it('reads every attribute, and takes null for absent', () => {
    const selector = {
      name: 'a',
      type: 'pod',
      prefix: '',
      namespace: 'shop',
      node: 'n',
      labels: { app: 'web' },
    };
    expect(parseTargetSelectors(JSON.stringify([selector, {}, { name: null, labels: null }]))).toEqual([
      selector,
      {},
      {},
    ]);
  });

  it.each([
    ['nonsense', 'targets is not valid JSON'],
    ['{}', 'targets must be an array of selectors'],
    ['[]', 'targets must have at least one selector'],
    [JSON.stringify(Array(65).fill({})), 'targets must have at most 64 selectors'],
    ['[{},5]', 'targets[1] must be an object'],
    [
      JSON.stringify(Array(3).fill({ name: `*${'x'.repeat(700)}` })),
      'targets must have at most 2048 characters in all patterns',
    ],
    ['[[]]', 'targets[0] must be an object'],
    ['[{"name":5}]', 'targets[0].name must be a string'],
    [`[{"name":"${'x'.repeat(1025)}"}]`, 'targets[0].name must have at most 1024 characters'],
    ['[{},{"labels":[]}]', 'targets[1].labels must be an object of strings'],
    ['[{"labels":{"app":5}}]', 'targets[0].labels must be an object of strings'],
    [
      JSON.stringify([{ labels: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`l${i}`, ''])) }]),
      'targets[0].labels must have at most 64 labels',
    ],
    ['[{"lables":{}}]', 'targets[0] must have no attributes but name, type, prefix, namespace, node, labels'],
    ['[{"__proto__":{"name":"x"}}]', 'targets[0] must have no attributes but name'],
  ])('refuses %.60s', (json, reason) => {
    const refusal = refusalOf(json);
    expect(refusal.code).toBe('invalid-request');
    expect(refusal.message).toContain(reason);
    expect(Buffer.byteLength(refusal.message)).toBeLessThanOrEqual(123);
  });

  it('answers any text with selectors or with a short reason', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc.array(fc.jsonValue()).map((value) => JSON.stringify(value)),
        ),
        (json) => {
          try {
            expect(parseTargetSelectors(json).length).toBeGreaterThan(0);
          } catch (error) {
            if (!(error instanceof CaptureError)) throw error;
            expect(Buffer.byteLength(error.message)).toBeLessThanOrEqual(123);
          }
        },
      ),
    );
  });
});

describe('A selector', () => {
  it('selects the pods of a Deployment by its name', () => {
    const target = { ...WEB, type: 'pod', name: 'shop/web-5f-a', workload: 'shop/web' };
    expect(matcherOf({ name: 'shop/web' })(target)).toBe(true);
    expect(matcherOf({ name: 'shop/w*b' })(target)).toBe(true);
    expect(matcherOf({ name: 'shop/web', labels: { app: 'x' } })(target)).toBe(false);
    expect(matcherOf({ name: 'bank/web' })(target)).toBe(false);
  });

  it.each<[boolean, TargetSelector, Partial<typeof WEB>]>([
    [true, {}, {}],
    [true, {}, { type: 'pod' }],
    [false, {}, { type: 'proc' }],
    [false, { name: '*' }, { type: 'bindmount' }],
    [true, { type: 'proc' }, { type: 'proc' }],
    [true, { name: 'shop-*' }, {}],
    [false, { name: 'shop' }, {}],
    [true, { prefix: '' }, {}],
    [false, { prefix: '' }, { prefix: 'dind' }],
    [true, { name: 'shop-*' }, { prefix: 'dind' }],
    [true, { labels: { app: 'web' } }, {}],
    [true, { labels: { app: 'web', tier: 'front' } }, {}],
    [false, { labels: { app: 'web', tier: 'back' } }, {}],
    [false, { labels: { toString: 'x' } }, {}],
    [true, { namespace: 'shop' }, { type: 'pod', namespace: 'shop' }],
    [false, { namespace: 'shop' }, {}],
    [true, { node: 'here' }, {}],
    [false, { node: 'there' }, {}],
    [false, { name: 'shop-*', labels: { app: 'db' } }, {}],
  ])('selects: %s, %j %j', (expected, selector, target) => {
    expect(matcherOf(selector)({ ...WEB, ...target })).toBe(expected);
  });

  it('is described by what it selects', () => {
    expect(
      describeSelectors([{}, { type: 'pod', name: 'shop/*' }, { labels: { app: 'web' }, prefix: 'x' }]),
    ).toBe('*, type=pod shop/*, prefix=x app=web');
  });
});

describe('A pattern', () => {
  it.each([
    ['', '', true],
    ['', 'a', false],
    ['*', '', true],
    ['?', '', false],
    ['?', '🐳', true],
    ['a*b?c', 'a--b-b-c', true],
    ['a*b?c', 'a--b-b-', false],
    ['*a', 'aaab', false],
    ['**a**', 'bab', true],
    ['[a].+', '[a].+', true],
    ['[a].+', 'a', false],
  ])('%j %j: %s', (pattern, text, expected) => {
    expect(patternOf(pattern)(text)).toBe(expected);
  });

  it('agrees with a regular expression', () => {
    const letter = fc.constantFrom('a', 'b', '*', '?');
    fc.assert(
      fc.property(
        fc.string({ unit: letter, maxLength: 8 }),
        fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 8 }),
        (pattern, text) => {
          const regular = new RegExp(`^${pattern.replaceAll('*', '.*').replaceAll('?', '.')}$`);
          expect(patternOf(pattern)(text)).toBe(regular.test(text));
        },
      ),
    );
  });

  it('takes time that grows with the product of the lengths, not exponentially', () => {
    const begin = performance.now();
    expect(patternOf(`${'*a'.repeat(500)}b`)('a'.repeat(4_096))).toBe(false);
    expect(performance.now() - begin).toBeLessThan(1_000);
  });
});

describe('A selection from a list', () => {
  const target = { name: 'web', type: 'docker', prefix: '', namespace: '', node: 'a', netns: 2, pid: 7 };
  const init = { ...target, name: 'systemd(1)', type: 'proc', pid: 1, netns: 1 };
  const onHost = { ...target, name: 'exporter', netns: 1 };
  const elsewhere = { ...onHost, node: 'b' };
  const list = [init, onHost, target, elsewhere];

  it('without a name or labels leaves out what shares the network of its host', () => {
    expect(selectionOf([{}])(list)).toEqual([target, elsewhere]);
  });

  it('with a name has it', () => {
    expect(selectionOf([{ name: 'exp*' }])(list)).toEqual([onHost, elsewhere]);
  });
});
