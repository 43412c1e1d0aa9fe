import { redactedTarget } from './request-log.js';
import { ticketPathOf } from './ticket-path.js';

const TICKET = 'Ab-_0123456789'.repeat(5);

describe('The path of a ticket', () => {
  it.each([
    [`/t/${TICKET}/capture?nif=eth0`, TICKET, 'capture'],
    [`http://host.example/t/${TICKET}/discover/mobyshark`, TICKET, 'discover/mobyshark'],
    [`/t/${TICKET}`, TICKET, ''],
    [`/t/${TICKET}/../../targets`, TICKET, '../../targets'],
    [`/t/${TICKET}/%2e%2e/targets`, TICKET, '%2e%2e/targets'],
    [`/t/${TICKET}//capture`, TICKET, '/capture'],
    [`/t/${TICKET}/capture#x`, TICKET, 'capture#x'],
    ['/t/', '', ''],
    ['/t//capture', '', 'capture'],
    ['/t/../targets', '..', 'targets'],
    ['/t/short', 'short', ''],
  ])('in %s has its parts', (target, ticket, rest) => {
    expect(ticketPathOf(target)).toEqual({ ticket, rest });
    if (ticket !== '' && ticket !== '..') expect(redactedTarget(target)).not.toContain(ticket);
  });

  it.each([
    `//t/${TICKET}/capture`,
    `/%74/${TICKET}/capture`,
    `/%2574/${TICKET}/capture`,
    `/T/${TICKET}/capture`,
    `/t%2f${TICKET}/capture`,
    `/.//t/${TICKET}/capture`,
    `/x/../t/${TICKET}/capture`,
    `/x/%2e%2e/%74/./${TICKET}`,
    `/discover/t/${TICKET}/capture`,
    `/discover//t//${TICKET}/capture`,
    `/discover\\t\\${TICKET}`,
    `/discover/t/%41${TICKET}`,
    `http://host.example//t/${TICKET}/capture?a=b`,
    `/discover#/t/${TICKET}`,
    '/t',
    '//t/short',
    '/%74/short',
  ])('is misplaced in %s, and not logged', (target) => {
    expect(ticketPathOf(target)).toBe('misplaced');
    expect(redactedTarget(target)).not.toContain(TICKET);
  });

  it.each(['/', '/capture', '/tickets', '/tt/x', '/discover/t/x', '/static/t/app.js', '/%zz/%', '*', ''])(
    'is not %s',
    (target) => {
      expect(ticketPathOf(target)).toBeUndefined();
    },
  );

  it('is found in a hostile path within milliseconds', () => {
    const begin = performance.now();
    ticketPathOf(`/${'%25'.repeat(80_000)}`);
    ticketPathOf('/t%2f'.repeat(50_000));
    expect(performance.now() - begin).toBeLessThan(1_000);
  });
});
