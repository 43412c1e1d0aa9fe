import { UpgradeRoutes } from './upgrade-routes.js';
import type { UpgradeHandler } from './upgrade-routes.js';

const handler = (): UpgradeHandler => () => undefined;

describe('The table of websocket routes', () => {
  const exact = handler();
  const prefix = handler();
  const longer = handler();
  const routes = new UpgradeRoutes();
  routes.prefix('/discover', prefix);
  routes.prefix('/discover/deep', longer);
  routes.exact('/discover/capture', exact);

  it.each([
    ['/discover/capture', exact],
    ['/discover/capture?netns=5', exact],
    ['/discover/capture/', prefix],
    ['/discover', prefix],
    ['/discover?x', prefix],
    ['/discover/mobydig', prefix],
    ['/discover/deep/down', longer],
    ['http://elsewhere/discover/capture?x', exact],
    ['http://elsewhere/discover//x', prefix],
    ['/discovery', undefined],
    ['/', undefined],
    ['', undefined],
    ['//discover', undefined],
    ['?/discover', undefined],
  ])('finds the handler for %j', (target, expected) => {
    expect(routes.find(target)).toBe(expected);
  });

  it('uses the fallback for every other path', () => {
    const withFallback = new UpgradeRoutes();
    const fallback = handler();
    withFallback.exact('/capture', exact);
    withFallback.fallback(fallback);
    expect(withFallback.find('/mobydig')).toBe(fallback);
    expect(withFallback.find('/capture')).toBe(exact);
  });

  it('respects the conditions of prefixes and of the fallback', () => {
    const wants = (path: string) => !path.endsWith('/ours');
    const withConditions = new UpgradeRoutes();
    const fallback = handler();
    withConditions.prefix('/discover', prefix, wants);
    withConditions.fallback(fallback, wants);
    expect(withConditions.find('/discover/ours?x')).toBeUndefined();
    expect(withConditions.find('/discover/theirs')).toBe(prefix);
    expect(withConditions.find('/ours')).toBeUndefined();
    expect(withConditions.find('/theirs')).toBe(fallback);
  });

  it('accepts one handler per route', () => {
    expect(() => routes.exact('/discover/capture', exact)).toThrow('already');
    expect(() => routes.prefix('/discover', exact)).toThrow('already');
  });
});
