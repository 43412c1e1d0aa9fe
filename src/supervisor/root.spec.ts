import type { ServiceUser } from './granted-privileges.js';
import { resolveServiceUser } from './root.js';

const KNOWN: Readonly<Record<string, ServiceUser>> = {
  alice: { uid: 1000, gid: 100 },
  '1000': { uid: 1000, gid: 100 },
  toor: { uid: 0, gid: 0 },
};
const lookUp = (name: string): ServiceUser | undefined => KNOWN[name];

describe('The user that the service becomes', () => {
  it.each<[string, string | undefined, ServiceUser]>([
    ['by default one that no other service uses', undefined, { uid: 65533, gid: 65533 }],
    ['named', 'alice', { uid: 1000, gid: 100 }],
    ['a known id with its group', '1000', { uid: 1000, gid: 100 }],
    ['an unknown id with a group of that number', '4711', { uid: 4711, gid: 4711 }],
    ['an id with another group', '1000:27', { uid: 1000, gid: 27 }],
  ])('is %s', (_, requested, expected) => {
    expect(resolveServiceUser(requested, lookUp)).toEqual(expected);
  });

  it('is packetflix by default, if there is such a user', () => {
    const user = { uid: 990, gid: 980 };
    expect(resolveServiceUser(undefined, (name) => (name === 'packetflix' ? user : undefined))).toEqual(user);
  });

  it.each([
    ['nosuchuser', /no user "nosuchuser"/],
    ['toor', /must not run as root/],
    ['0', /must not run as root/],
    ['0:27', /must not run as root/],
    ['4294967295', /not a valid user id/],
  ])('is never %s', (requested, message) => {
    expect(() => resolveServiceUser(requested, lookUp)).toThrow(message);
  });

  it('is looked up in the user database of the machine', () => {
    expect(() => resolveServiceUser('root')).toThrow(/must not run as root/);
    expect(() => resolveServiceUser('no-such-user-here')).toThrow(/no user/);
  });
});
