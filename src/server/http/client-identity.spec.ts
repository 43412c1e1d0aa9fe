import type { IncomingMessage } from 'node:http';
import { rememberAuthenticatedUser } from '../access/authenticated-user.js';
import { ServiceConfig } from '../config/service.config.js';
import { ClientIdentity } from './client-identity.js';
import { rememberTicket } from './redeemed-ticket.js';

function identityOf(request: IncomingMessage, userHeader?: string): object {
  const trustedProxies = userHeader === undefined ? [] : ['10.0.0.0/8'];
  return new ClientIdentity(Object.assign(new ServiceConfig(), { userHeader, trustedProxies })).of(request);
}

function request(remoteAddress: string | undefined, ...users: string[]): IncomingMessage {
  const headersDistinct = users.length > 0 ? { 'x-forwarded-user': users } : {};
  return { socket: { remoteAddress }, headersDistinct } as unknown as IncomingMessage;
}

describe('The user of a request', () => {
  it.each<[string, IncomingMessage, object]>([
    ['is whom a trusted proxy names', request('10.1.2.3', 'alice'), { user: 'alice' }],
    ['is known over IPv6 sockets, too', request('::ffff:10.1.2.3', 'alice'), { user: 'alice' }],
    ['is unknown from any other address', request('192.0.2.1', 'alice'), {}],
    ['is unknown when the connection is closed', request(undefined, 'alice'), {}],
    ['is unknown without the header', request('10.1.2.3'), {}],
    ['is unknown with an empty header', request('10.1.2.3', ''), {}],
    ['is unknown when the header comes twice', request('10.1.2.3', 'alice', 'bob'), {}],
    ['is UTF-8', request('10.1.2.3', Buffer.from('Jürgen').toString('latin1')), { user: 'Jürgen' }],
    ['is harmless in a log', request('10.1.2.3', 'a\u0007\tb'), { user: 'a\ufffd\ufffdb' }],
    ['is bounded', request('10.1.2.3', 'a'.repeat(10_000)), { user: `${'a'.repeat(127)}…` }],
  ])('%s', (_, from, expected) => {
    expect(identityOf(from, 'X-Forwarded-User')).toEqual(expected);
    expect(identityOf(from)).toEqual({});
  });

  it('of a request with a ticket is who asked for the ticket', () => {
    const withTicket = request('10.1.2.3', 'mallory');
    rememberTicket(withTicket, { id: '0a1b', user: 'alice', hadContainerHeader: false });
    expect(identityOf(withTicket, 'X-Forwarded-User')).toEqual({ user: 'alice', ticket: '0a1b' });
    const anonymous = request('10.1.2.3', 'mallory');
    rememberTicket(anonymous, { id: '0a1c', hadContainerHeader: false });
    expect(identityOf(anonymous, 'X-Forwarded-User')).toEqual({ ticket: '0a1c' });
  });
});

describe('The user whom the Authenticator names', () => {
  const asUser = (name: string, ...header: string[]): IncomingMessage => {
    const asked = request('10.1.2.3', ...header);
    rememberAuthenticatedUser(asked, { name });
    return asked;
  };

  it('is the user of a request, whatever a proxy says, and harmless in a log', () => {
    expect(identityOf(asUser('alice', 'mallory'), 'X-Forwarded-User')).toEqual({ user: 'alice' });
    expect(identityOf(asUser('alice'))).toEqual({ user: 'alice' });
    expect(identityOf(asUser('a\nb'))).toEqual({ user: 'a\ufffdb' });
  });

  it('may act for no other user', () => {
    const identity = new ClientIdentity(Object.assign(new ServiceConfig(), { trustedProxies: [] }));
    expect(identity.mayActFor('alice', asUser('alice'))).toBe(true);
    expect(identity.mayActFor('bob', asUser('alice'))).toBe(false);
    expect(identity.mayActFor(undefined, asUser('alice'))).toBe(false);
  });
});

describe('What belongs to a user', () => {
  const from = (address: string, ...users: string[]) => request(address, ...users);

  it.each<[string, IncomingMessage, string | undefined, boolean]>([
    ['is left to that user', from('10.1.2.3', 'alice'), 'alice', true],
    ['is not left to another user', from('10.1.2.3', 'bob'), 'alice', false],
    ['is not left to somebody without a name', from('10.1.2.3', ''), 'alice', false],
    ['is not left to somebody with two names', from('10.1.2.3', 'alice', 'bob'), 'alice', false],
    ['is left to all who do not come through the proxy', from('192.0.2.1', 'bob'), 'alice', true],
    ['of nobody is left to those without a name', from('10.1.2.3'), undefined, true],
    ['of nobody is not left to a user', from('10.1.2.3', 'bob'), undefined, false],
  ])('%s', (_, asked, owner, expected) => {
    const config = Object.assign(new ServiceConfig(), {
      userHeader: 'X-Forwarded-User',
      trustedProxies: ['10.0.0.0/8'],
    });
    expect(new ClientIdentity(config).mayActFor(owner, asked)).toBe(expected);
    const unnamed = Object.assign(new ServiceConfig(), { trustedProxies: [] });
    expect(new ClientIdentity(unnamed).mayActFor(owner, asked)).toBe(true);
  });
});
