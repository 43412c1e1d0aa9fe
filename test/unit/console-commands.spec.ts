import { execFileSync } from 'node:child_process';
import { parseOptions } from '../../src/cli/options.js';
import { target } from '../../src/console/fixtures/target.js';
import {
  captureRequest,
  EMPTY_FORM,
  type CaptureForm,
  type CaptureParameters,
  type Selection,
} from '../../src/console/capture/capture-request.js';
import { commandOffers, type CommandOffer } from '../../src/console/capture/commands.js';

const BASE = new URL('https://host.example:5443/packetflix/');

function offersFor(
  selection: Selection,
  form: Partial<CaptureForm> = {},
  wantsToken = false,
): { parameters: CaptureParameters; offers: Record<string, CommandOffer> } {
  const request = captureRequest(selection, { ...EMPTY_FORM, ...form });
  if (request.kind !== 'ready') throw new Error(JSON.stringify(request));
  const download = new URL('capture.pcapng', BASE);
  for (const [name, value] of Object.entries(request.parameters)) download.searchParams.set(name, value);
  const websocket = new URL('wss://host.example:5443/packetflix/capture');
  const addresses = { download, websocket, base: BASE, wantsToken };
  const offers = commandOffers(selection, request.parameters, addresses);
  return {
    parameters: request.parameters,
    offers: Object.fromEntries(offers.map((offer) => [offer.program, offer])),
  };
}

/** The arguments that a shell makes of the last command of an offer, up to a pipe or redirection. */
function wordsOf(offer: CommandOffer | undefined): string[] {
  const text = offer?.commands.at(-1)?.text.replace(/ [|>] [\w. -]+$/, '') ?? '';
  return execFileSync('bash', ['-c', `printf '%s\\0' ${text}`], { encoding: 'utf8' })
    .split('\0')
    .slice(0, -1);
}

/** What the client of this project asks the service for with the command of the page. */
function askedFor(offer: CommandOffer | undefined): Record<string, string> {
  const words = wordsOf(offer);
  const from = words.includes('dist/cli/main.js') ? words.indexOf('dist/cli/main.js') : words.indexOf('--');
  const commandLine = parseOptions(words.slice(from + 1), '/');
  if (commandLine.kind !== 'options') throw new Error(JSON.stringify(commandLine));
  return Object.fromEntries(commandLine.options.url.searchParams);
}

const one = (name = 'web'): Selection => ({ kind: 'targets', targets: [target({ name })] });

describe('The commands', () => {
  it.each(['web', "it's $(id)", '\u001b[201~\nid\n', '<b>\u202e', '-rf'])(
    'of this project and of docker ask for the same as the page, for %j',
    (name) => {
      const { parameters, offers } = offersFor(one(name), {
        interfaces: 'eth0',
        filter: "tcp port 80 or host 'a'",
        packets: '10',
        direction: true,
      });
      for (const program of ['npm run capture', 'docker']) {
        const { container = '', ...others } = askedFor(offers[program]);
        expect(others).toEqual({ ...parameters, container: undefined });
        expect(JSON.parse(container)).toEqual(JSON.parse(parameters['container'] ?? ''));
      }
    },
  );

  it.each<[string, Selection]>([
    ['a pattern', { kind: 'rule', selectors: [{ name: 'shop/*' }, { name: 'web' }] }],
    [
      'a namespace and labels',
      { kind: 'rule', selectors: [{ name: 'shop/*', namespace: 'shop', labels: { app: 'web' } }] },
    ],
    ['labels and a type', { kind: 'rule', selectors: [{ type: 'pod', labels: { app: 'web', x: "'" } }] }],
  ])('of this project ask for the same set, for %s', (_, selection) => {
    const { parameters, offers } = offersFor(selection);
    expect(JSON.parse(askedFor(offers['npm run capture'])['targets'] ?? '')).toEqual(
      JSON.parse(parameters['targets'] ?? ''),
    );
  });

  it('of this project take all containers as the set of that name', () => {
    const { offers } = offersFor({ kind: 'rule', selectors: [{}] });
    expect(askedFor(offers['npm run capture'])).toEqual({ container: '{"name":"*","type":"set"}' });
  });

  it('of this project say when they capture from more', () => {
    const { offers } = offersFor({ kind: 'targets', targets: [target(), target({ name: 'db' })] });
    expect(askedFor(offers['npm run capture'])).toEqual({
      targets: '[{"name":"web","type":"docker"},{"name":"db","type":"docker"}]',
    });
    expect(offers['npm run capture']?.note).toMatch('nested runtimes');
  });

  it('of this project are left out where the client cannot express the choice', () => {
    const { offers } = offersFor({ kind: 'rule', selectors: [{ name: 'web', namespace: 'shop' }] });
    expect(offers['npm run capture']).toMatchObject({ commands: [] });
    expect(offers['docker']).toMatchObject({ commands: [] });
    expect(offers['curl']?.commands).toHaveLength(2);
  });

  it('of curl have the URL of the download as one word', () => {
    const { offers, parameters } = offersFor(one("it's $(id)"), { filter: 'tcp' });
    const [url = '', ...others] = wordsOf(offers['curl']).reverse();
    // A refusal must not be taken for packets.
    expect(others).toEqual(['capture.pcapng', '--output', '-fN', 'curl']);
    expect(offers['curl']?.commands[0]?.text).toMatch(/^curl -fsSN '/);
    expect(Object.fromEntries(new URL(url).searchParams)).toEqual(parameters);
  });

  it('take a token from the environment', () => {
    const { offers } = offersFor(one(), {}, true);
    const header = ' --header "Authorization: Bearer $PACKETFLIX_TOKEN"';
    expect(offers['curl']?.commands[0]?.text).toMatch(`${header} | wireshark -k -i -`);
    expect(offers['curl']?.commands[1]?.text.endsWith(header)).toBe(true);
    expect(offers['docker']?.commands[0]?.text).toContain(' --env PACKETFLIX_TOKEN ');
    expect(offers['npm run capture']?.note).toContain('Set PACKETFLIX_TOKEN');
  });

  it('of csharg name the host and the container or pod', () => {
    expect(offersFor(one()).offers['csharg']?.commands).toEqual([
      {
        purpose: 'Into Wireshark',
        text: 'csharg --host https://host.example:5443/packetflix capture web | wireshark -k -i -',
      },
    ]);
    const pod = target({ name: 'default/web', type: 'pod' });
    expect(offersFor({ kind: 'targets', targets: [pod] }).offers['csharg']?.commands[0]?.text).toContain(
      ' capture pod default/web |',
    );
  });

  it.each([
    ['an option', target({ name: '-x' })],
    ['in another container', target({ prefix: 'kind' })],
    ['a process', target({ name: 'sleep(1)', type: 'proc' })],
  ])('of csharg are left out where the name is %s', (_, each) => {
    expect(offersFor({ kind: 'targets', targets: [each] }).offers['csharg']?.commands).toEqual([]);
  });
});
