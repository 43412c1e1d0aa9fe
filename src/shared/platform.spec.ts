import { platformProblem, type Platform } from './platform.js';

const SUPPORTED: Platform = { nodeVersion: '24.21.0', system: 'linux', architecture: 'x64', byteOrder: 'LE' };

describe('platformProblem', () => {
  it.each<Partial<Platform>>([
    {},
    { architecture: 'arm64' },
    { nodeVersion: '22.21.1' },
    { nodeVersion: '24.9.0' },
    { nodeVersion: '25.0.0' },
  ])('accepts %j', (platform) => {
    expect(platformProblem({ ...SUPPORTED, ...platform })).toBeUndefined();
  });

  it.each<[Partial<Platform>, RegExp]>([
    [{ nodeVersion: '22.20.0' }, /^Node\.js 22\.20\.0 is not supported: version 22\.21 or later/],
    [{ nodeVersion: '23.11.0' }, /^Node\.js 23\.11\.0 is not/],
    [{ nodeVersion: '24.8.0' }, /^Node\.js 24\.8\.0 is not/],
    [{ system: 'darwin' }, /^this is darwin, but the service needs Linux 5\.4/],
    [{ architecture: 'ppc64', byteOrder: 'BE' }, /^this machine is big-endian/],
    [{ architecture: 'riscv64' }, /architecture riscv64, but the service supports x64 and arm64 only/],
  ])('reports why it does not accept %j', (platform, problem) => {
    expect(platformProblem({ ...SUPPORTED, ...platform })).toMatch(problem);
  });
});
