import { upstreamTarget } from './forwarded-message.js';

describe('The request target for GhostWire', () => {
  it.each([
    ['/discover/mobyshark', '/mobyshark'],
    ['/discover/', '/'],
    ['/discover', '/'],
    ['/discover?q=/discover/', '/?q=/discover/'],
    ['/discover//evil/x', '//evil/x'],
    ['/discover/discover/x', '/discover/x'],
    ['/discover/../version', '/../version'],
    ['/discover/%2e%2e%2F;a=%zz?b=%zz', '/%2e%2e%2F;a=%zz?b=%zz'],
    ['/discoverx', '/discoverx'],
    ['/DISCOVER/x', '/DISCOVER/x'],
    ['/%64iscover/x', '/%64iscover/x'],
    ['//discover/x', '//discover/x'],
    ['/x/../discover/y', '/x/../discover/y'],
    ['//evil/x', '//evil/x'],
    ['/', '/'],
    ['/a?b?c', '/a?b?c'],
    ['http://evil/discover/x', '/x'],
    ['http://evil', '/'],
    ['*', undefined],
    ['', undefined],
  ])('for %j is %j', (target, expected) => {
    expect(upstreamTarget(target)).toBe(expected);
  });
});
