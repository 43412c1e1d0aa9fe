import { ticketRequest } from './tickets.js';
import { wiresharkLink } from './wireshark-link.js';

describe('The request of a ticket', () => {
  it('has the types of the API', () => {
    const parameters = { container: '{"name":"web"}', nif: 'eth0', filter: '1', chaste: '', duration: '90' };
    expect(ticketRequest(parameters)).toEqual({
      container: { name: 'web' },
      nif: 'eth0',
      filter: '1',
      chaste: true,
      duration: 90,
    });
  });
});

describe('The link for Wireshark', () => {
  const service = new URL('wss://host.example:5443/packetflix/t/TICKET/capture');

  it('has the ticket in the path and the target in the query', () => {
    const link = wiresharkLink(service, {
      container: '{"name":"a b&c"}',
      nif: 'eth0/eth1',
      filter: 'tcp',
    });
    expect(link).toBe(
      'packetflix:wss://host.example:5443/packetflix/t/TICKET/capture?container=%7B%22name%22%3A%22a%20b%26c%22%7D&nif=eth0%2Feth1',
    );
  });

  it('names a set as the list of the ticket does', () => {
    const link = wiresharkLink(service, { targets: '[{"name":"shop/*"}]' });
    expect(JSON.parse(new URL(link.slice('packetflix:'.length)).searchParams.get('container') ?? '')).toEqual(
      {
        type: 'set',
        name: 'shop/*',
        netns: 0,
        'network-interfaces': ['any'],
      },
    );
  });
});
