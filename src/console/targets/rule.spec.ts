import { parseRule, quotedForRule } from './rule.js';

describe('A rule', () => {
  it.each([
    ['a name', 'web', [{ name: 'web' }]],
    ['a pattern', 'shop/*', [{ name: 'shop/*' }]],
    ['a label', 'app=web', [{ labels: { app: 'web' } }]],
    ['a label whose value has an equals sign', 'args=a=b', [{ labels: { args: 'a=b' } }]],
    ['an attribute', 'type=pod', [{ type: 'pod' }]],
    ['a label that is called like an attribute', 'label:type=pod', [{ labels: { type: 'pod' } }]],
    ['conditions that must all hold', 'shop-* app=web', [{ name: 'shop-*', labels: { app: 'web' } }]],
    ['alternatives', 'web, app=db ,', [{ name: 'web' }, { labels: { app: 'db' } }]],
    ['quotes', 'note="a, b"', [{ labels: { note: 'a, b' } }]],
    ['all containers, but not those that share the network of the host', '*', [{}]],
    ['all of a type', '* type=proc', [{ type: 'proc' }]],
    [
      'a Compose project of either runtime',
      'project=shop',
      [
        { labels: { 'com.docker.compose.project': 'shop' } },
        { labels: { 'io.podman.compose.project': 'shop' } },
      ],
    ],
  ])('takes %s', (_, text, selectors) => {
    expect(parseRule(text)).toMatchObject({ kind: 'valid', selectors });
  });

  it.each([
    ['two names', 'web db', 'name is given twice; put a comma between alternatives.'],
    ['a label twice', 'a=1 a=2', 'The label a is given twice; put a comma between alternatives.'],
    ['a quote that is not closed', 'note="a', 'A quote is missing.'],
    ['too many alternatives', 'a,'.repeat(65), 'The rule must have at most 64 selectors.'],
    ['a name that is too long', 'x'.repeat(1025), 'The rule[0].name must have at most 1024 characters.'],
  ])('refuses %s', (_, text, problem) => {
    expect(parseRule(text)).toEqual({ kind: 'invalid', problem });
  });

  it.each(['', ' ', ', ,'])('of nothing is empty: "%s"', (text) => {
    expect(parseRule(text)).toEqual({ kind: 'empty' });
  });

  it('says how it is understood', () => {
    expect(parseRule('shop/* app=web, type=proc, *')).toMatchObject({
      descriptions: [
        'containers and pods: name like shop/*, label app is web',
        'all targets of type proc',
        'all containers and pods',
      ],
    });
  });

  it('keeps a label that is called __proto__', () => {
    expect(JSON.stringify(parseRule('__proto__=x'))).toContain('{"labels":{"__proto__":"x"}}');
  });

  it('takes a value that was quoted for it', () => {
    const value = 'a, b';
    expect(parseRule(`project=${quotedForRule(value)}`)).toMatchObject({
      descriptions: ['containers and pods: of Compose project a, b'],
    });
  });

  it('cannot express a value with a double quote', () => {
    expect(quotedForRule('a"b')).toBeUndefined();
  });
});
