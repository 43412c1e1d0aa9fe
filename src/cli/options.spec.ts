import { statSync } from 'node:fs';
import { jest } from '@jest/globals';
import { parseOptions, UsageExit } from './options.js';
import { createRequestUrl } from './request-url.js';

function usageStatus(argv: string[]): number | undefined {
  try {
    parseOptions(argv, '/');
    return undefined;
  } catch (error) {
    if (error instanceof UsageExit) return error.status;
    throw error;
  }
}

describe('parseOptions', () => {
  beforeEach(() => {
    jest.spyOn(process.stderr, 'write').mockReturnValue(true);
    jest.spyOn(process.stdout, 'write').mockReturnValue(true);
  });
  afterEach(() => jest.restoreAllMocks());

  it('asks the local service for everything in the namespace when only that is given', () => {
    const options = parseOptions(['--netns', '4026532270'], '/');
    expect(createRequestUrl(options).href).toBe('ws://127.0.0.1:5001/capture?netns=4026532270');
  });

  it('puts every parameter into the query, beside what the URL has already', () => {
    const argv = ['--url', 'wss://host/discover/capture?key=1', '--netns', '7', '--nif', 'a/b', '--chaste'];
    const url = createRequestUrl(parseOptions([...argv, '--filter', 'tcp port 80 && len > 9'], '/'));
    expect(url.pathname).toBe('/discover/capture');
    expect(Object.fromEntries(url.searchParams)).toEqual({
      key: '1',
      netns: '7',
      nif: 'a/b',
      filter: 'tcp port 80 && len > 9',
      chaste: '',
    });
  });

  it.each([
    ['/proc/self/ns/net', '/'],
    [`pid:${process.pid}`, '/'],
    ['ns/net', '/proc/self'],
  ])('finds the inode of %s (seen from %s)', (text, folder) => {
    expect(parseOptions(['--netns', text], folder).netns).toBe(statSync('/proc/self/ns/net').ino);
  });

  it('takes a relative file from the folder of the user', () => {
    expect(parseOptions(['--netns', '1', '-w', 'a.pcapng'], '/home/me').write).toBe('/home/me/a.pcapng');
    expect(parseOptions(['--netns', '1', '-w', '-'], '/home/me').write).toBe('-');
  });

  it('leaves limits to the service', () => {
    const limits = ['--duration', '60', '--max-bytes=5000000000', '--max-packets', '7', '--snaplen', '96'];
    const url = createRequestUrl(parseOptions(['--netns', '1', ...limits], '/'));
    expect(url.search).toBe('?netns=1&duration=60&max-bytes=5000000000&max-packets=7&snaplen=96');
  });

  it.each([
    [['--netns', '0']],
    [['--netns', '99999999999999999999']],
    [['--netns', '/no/such/path']],
    [['--netns', '1', '--container', '{}']],
    [['--netns', '1', '--duration', '0']],
    [['--netns', '1', '--duration', 'soon']],
    [['--netns', '1', '--duration', '1.5']],
    [['--netns', '1', '--max-packets', '-1']],
    [['--netns', '1', '--max-bytes', '1e6']],
    [['--netns', '1', '--snaplen', '']],
    [['--netns', '1', '--url', 'http://host/']],
    [['--netns', '1', '--url', 'nonsense']],
    [['--netns', '1', '--unknown']],
    [['--netns', '1', 'eth0']],
    [[]],
  ])('refuses %j with status 2', (argv) => {
    expect(usageStatus(argv)).toBe(2);
  });

  it('ends with status 0 after --help', () => {
    expect(usageStatus(['--help'])).toBe(0);
  });
});
