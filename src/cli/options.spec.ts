import { statSync } from 'node:fs';
import { parseOptions, type ClientOptions } from './options.js';

function optionsOf(argv: string[], directory = '/'): ClientOptions {
  const commandLine = parseOptions(argv, directory);
  if (commandLine.kind !== 'options') throw new Error(JSON.stringify(commandLine));
  return commandLine.options;
}

describe('parseOptions', () => {
  it('requests all interfaces of the namespace from the local service by default', () => {
    expect(optionsOf(['--netns', '4026532270']).url.href).toBe(
      'ws://127.0.0.1:5001/capture?netns=4026532270',
    );
  });

  it('adds every parameter to the query of the URL', () => {
    const argv = ['--url', 'wss://host/discover/capture?key=1', '--netns', '7', '--nif', 'a/b', '--chaste'];
    const { url } = optionsOf([...argv, '--filter', 'tcp port 80 && len > 9']);
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
  ])('finds the inode of %s (relative to %s)', (text, directory) => {
    const { ino } = statSync('/proc/self/ns/net');
    expect(optionsOf(['--netns', text], directory).url.searchParams.get('netns')).toBe(String(ino));
  });

  it('resolves a relative file from the directory of the user', () => {
    expect(optionsOf(['--netns', '1', '-w', 'a.pcapng'], '/home/me').write).toBe('/home/me/a.pcapng');
    expect(optionsOf(['--netns', '1', '-w', '-'], '/home/me').write).toBe('-');
  });

  it('makes selectors of names, labels and a type', () => {
    const selectorsOf = (...argv: string[]): unknown => {
      const { url, title } = optionsOf(argv);
      return [JSON.parse(url.searchParams.get('targets') ?? ''), title];
    };
    expect(selectorsOf('--target', 'shop/*')).toEqual([[{ name: 'shop/*' }], 'shop/*']);
    expect(selectorsOf('--label', 'app=web', '--label', 'x=a=b')).toEqual([
      [{ labels: { app: 'web', x: 'a=b' } }],
      'app=web x=a=b',
    ]);
    expect(selectorsOf('--target', 'a', '--target', 'b', '--label', 'app=', '--type', 'pod')).toEqual([
      [
        { name: 'a', type: 'pod', labels: { app: '' } },
        { name: 'b', type: 'pod', labels: { app: '' } },
      ],
      'a type=pod app=, b type=pod app=',
    ]);
    expect(selectorsOf('-n', 'shop', '--label', 'app=web')).toEqual([
      [{ namespace: 'shop', labels: { app: 'web' } }],
      'namespace=shop app=web',
    ]);
    expect(selectorsOf('--namespace', 'shop', '--target', 'web-*', '--target', 'shop/db')).toEqual([
      [
        { name: 'shop/web-*', namespace: 'shop' },
        { name: 'shop/db', namespace: 'shop' },
      ],
      'shop/web-* namespace=shop, shop/db namespace=shop',
    ]);
    expect(optionsOf(['--target', 'a', '--follow', '--direction']).url.search).toMatch(
      /&follow=&direction=$/,
    );
  });

  it('has commands to list targets and to start Wireshark', () => {
    expect(optionsOf(['list', '--watch', '--json'])).toMatchObject({
      command: 'list',
      watch: true,
      json: true,
    });
    expect(optionsOf(['wireshark', '--container', '{"name":"web"}'])).toMatchObject({
      command: 'wireshark',
      title: 'web',
    });
    expect(optionsOf(['wireshark', '--netns', '7']).title).toBe('network namespace 7');
  });

  it('finds the service in a cluster', () => {
    const { cluster, url, tokenFile } = optionsOf(
      ['--kubernetes', '-n', 'shop', '--token-file', 'token', '--context=test', '--service=a/b.c:80'],
      '/home/me',
    );
    expect(cluster).toEqual({
      namespace: 'a',
      name: 'b.c',
      port: 80,
      context: 'test',
      directory: '/home/me',
    });
    expect(url.href).toBe('ws://127.0.0.1:5001/capture?targets=%5B%7B%22namespace%22%3A%22shop%22%7D%5D');
    expect(tokenFile).toBe('/home/me/token');
    const byDefault = { namespace: 'packetflix', name: 'packetflix', port: 5001 };
    expect(optionsOf(['list', '--kubernetes']).cluster).toMatchObject(byDefault);
    expect(optionsOf(['list']).cluster).toBeUndefined();
  });

  it('passes limits to the service', () => {
    const limits = ['--duration', '60', '--max-bytes=5000000000', '--max-packets', '7', '--snaplen', '96'];
    const { url } = optionsOf(['--netns', '1', ...limits]);
    expect(url.search).toBe('?netns=1&duration=60&max-bytes=5000000000&max-packets=7&snaplen=96');
  });

  it.each([
    [['--netns', '0']],
    [['--netns', '99999999999999999999']],
    [['--netns', '/no/such/path']],
    [['--netns', '1', '--container', '{}']],
    [['--netns', '1', '--target', 'web']],
    [['--label', 'app']],
    [['--label', '=web']],
    [['--watch', '--netns', '1']],
    [['list', '--netns', '1']],
    [['list', 'all']],
    [['wireshark', '--netns', '1', '-w', '-']],
    [['list', '--namespace', 'shop']],
    [['--kubernetes']],
    [['--kubernetes', '-n', 'shop', '--url', 'ws://host/capture']],
    [['--kubernetes', '-n', 'shop', '--service', 'packetflix']],
    [['--kubernetes', '-n', 'shop', '--service', '--help/x']],
    [['-n', 'shop', '--context', 'test']],
    [['--netns', '1', '--duration', '0']],
    [['--netns', '1', '--duration', 'soon']],
    [['--netns', '1', '--duration', '1.5']],
    [['--netns', '1', '--max-packets', '-1']],
    [['--netns', '1', '--max-bytes', '1e6']],
    [['--netns', '1', '--snaplen', '']],
    [['--netns', '1', '--url', 'http://host/']],
    [['--netns', '1', '--url', 'nonsense']],
    [['--netns', '1', '--unknown']],
    [['--netns', '1', '--chaste=no']],
    [['--netns', '1', 'eth0']],
    [[]],
  ])('refuses %j', (argv) => {
    expect(parseOptions(argv, '/')).toMatchObject({
      kind: 'error',
      message: expect.stringMatching(/\S/) as string,
    });
  });

  it.each(['--help', '-h'])('prints the options on %s', (flag) => {
    const commandLine = parseOptions([flag], '/');
    if (commandLine.kind !== 'help') throw new Error(JSON.stringify(commandLine));
    for (const option of ['--url', '--netns', '--container', '--write', '--snaplen']) {
      expect(commandLine.text).toContain(option);
    }
  });
});
