import { mobyshark } from '../fixtures/ghostwire-server.js';
import { CaptureClient } from '../kit/capture-client.js';
import { CLOSE_ENDED } from '../kit/close-codes.js';
import { describeAsRoot } from '../kit/root.js';
import { discoveryForAllTests } from './directory.js';
import { type ProcessFacts, Targets } from './targets.js';

/** A target of csharg, with field order and zero values of its Go structure. */
interface CshargTarget {
  readonly name: string;
  readonly type: string;
  readonly netns: number;
  readonly 'network-interfaces': readonly string[] | null;
  readonly prefix: string;
  readonly starttime?: number;
  readonly pid?: number;
  readonly 'node-name'?: string;
  readonly cluster?: { readonly context: string; readonly uid?: string };
  readonly 'capture-service'?: string;
  readonly captureport?: number;
}

/** A target of the page; undefined fields are missing in its JSON. */
interface PageTarget {
  readonly netns: number;
  readonly 'network-interfaces': readonly string[];
  readonly name?: string | undefined;
  readonly type?: string | undefined;
  readonly prefix?: string | undefined;
}

interface CshargOptions {
  readonly nifs?: readonly string[];
  readonly filter?: string;
  readonly chaste?: boolean;
}

const NOTHING: CshargTarget = { name: '', type: '', netns: 0, 'network-interfaces': null, prefix: '' };

describeAsRoot('A request', () => {
  const discovery = discoveryForAllTests();
  let targets: Targets;

  beforeAll(async () => {
    targets = await Targets.create();
    discovery.current.ghostwire.answer = mobyshark([
      entry('web', 'docker', targets.firstProcess),
      entry('<a> & "b"', 'docker', targets.secondProcess),
      entry('default/web', 'pod', targets.secondProcess),
      entry('sleep(4711)', 'proc', targets.secondProcess),
      entry('/run/netns/bound', 'bindmount', { netns: targets.bound.inode, pid: 0, starttime: 0 }),
    ]);
  });
  afterAll(() => targets[Symbol.asyncDispose]());

  describe('of csharg', () => {
    it('for a container by name captures from it', async () => {
      await using client = await openAsCsharg({ ...NOTHING, name: 'web', 'node-name': 'localhost' });
      await client.described('first0');
      expect(client.comments[0]).toContain(
        'container-name: web\ncontainer-type: docker\nnode-name: localhost\n',
      );
    });

    it('for a pod by name captures from it', async () => {
      await using client = await openAsCsharg({ ...NOTHING, name: 'default/web', type: 'pod' });
      await client.described('second0');
      expect(client.comments[0]).toContain(
        'container-name: default/web\ncontainer-type: pod\nnode-name: ""\n',
      );
    });

    it('for a discovered target with all attributes captures from it without a lookup', async () => {
      const before = discovery.current.ghostwire.requests.length;
      const target: CshargTarget = {
        name: 'web',
        type: 'docker',
        'network-interfaces': ['lo', 'first0'],
        prefix: '',
        ...targets.firstProcess,
        'node-name': '192.0.2.1',
        cluster: { context: 'kind', uid: 'abc-def' },
        'capture-service': 'capture',
        captureport: 5001,
      };
      await using client = await openAsCsharg(target, { filter: 'tcp port 80 or udp', chaste: true });
      await client.described('first0');
      expect(client.interfaces).toMatchObject([{ name: 'first0', filter: 'tcp port 80 or udp' }]);
      expect(client.comments[0]).toMatch(/^ {4}uid: abc-def$/m);
      expect(client.comments[0]).toMatch(/^no-promiscuous-mode: true$/m);
      expect(await targets.first.promiscuity('first0')).toBe(0);
      expect(discovery.current.ghostwire.requests.length).toBe(before);
    });

    it('for a discovered target whose process and start time are zero captures from it', async () => {
      const { netns } = targets.secondProcess;
      const target = { ...NOTHING, name: 'default/web', type: 'pod', netns, starttime: 0, pid: 0 };
      await using client = await openAsCsharg(target, { nifs: ['second0'] });
      await client.described('second0');
    });

    it('for a bind mount captures from it', async () => {
      const name = '/run/netns/bound';
      const target = { ...NOTHING, name, type: 'bindmount', netns: targets.bound.inode };
      await using client = await openAsCsharg({ ...target, 'network-interfaces': ['lo', 'bound0'] });
      await client.described('bound0');
    });

    it('for a name with characters that Go escapes captures from the target', async () => {
      await using client = await openAsCsharg({ ...NOTHING, name: '<a> & "b"' });
      await client.described('second0');
      expect(client.comments[0]).toContain(`container-name: <a> & "b"\n`);
    });

    it('through a proxy that removes the query is served by its headers', async () => {
      const { headers } = cshargRequest({ ...NOTHING, name: 'web' }, { filter: 'tcp' });
      await using client = await CaptureClient.open(discovery.current.service, {}, { headers });
      await client.described('first0');
      expect(client.interfaces).toMatchObject([{ name: 'first0', filter: 'tcp' }]);
    });

    it('ends with 1000 when csharg closes it', async () => {
      await using client = await openAsCsharg({ ...NOTHING, ...targets.firstProcess });
      await client.described('first0');
      expect(await client.close(1000, 'ciao')).toMatchObject({ code: CLOSE_ENDED });
    });
  });

  describe('of the GhostWire page', () => {
    it.each([
      ['a container', 'web', 'docker', 'first'],
      ['a process', 'sleep(4711)', 'proc', 'second'],
      ['a pod with the prefix of its containers', 'default/web', 'kubernetes', 'second'],
      ['a namespace with an empty name', '', undefined, 'first'],
      ['a namespace without a name', undefined, undefined, 'bound'],
    ] as const)('for %s captures from it', async (_, name, type, which) => {
      const container = {
        netns: targets[which].inode,
        'network-interfaces': ['lo', `${which}0`],
        name,
        type,
        prefix: type === 'kubernetes' ? 'kind-worker' : undefined,
      };
      await using client = await openAsPage(container);
      await client.described(`${which}0`);
      expect(client.interfaceNames).toEqual([`${which}0`]);
      expect(client.comments[0]).toContain(`container-name: ${name || '""'}\n`);
    });

    it('for a namespace without interfaces that are up captures from it', async () => {
      await using client = await openAsPage({ netns: targets.first.inode, 'network-interfaces': [] });
      await client.described('first0');
    });

    it('for a stale namespace captures from the target of the same name', async () => {
      const container = { netns: 1, 'network-interfaces': ['second0'], name: 'default/web', type: 'pod' };
      await using client = await openAsPage(container);
      await client.described('second0');
    });
  });

  function openAsCsharg(target: CshargTarget, options: CshargOptions = {}): Promise<CaptureClient> {
    const { query, headers } = cshargRequest(target, options);
    return CaptureClient.open(discovery.current.service, {}, { path: `/capture?${query}`, headers });
  }

  /** The page makes a link with the container; the Wireshark plugin adds the interfaces. */
  function openAsPage(container: PageTarget): Promise<CaptureClient> {
    const nif = encodeURIComponent(container['network-interfaces'].join('/'));
    const path = `/discover/capture?container=${encodeURIComponent(JSON.stringify(container))}&nif=${nif}`;
    return CaptureClient.open(discovery.current.service, {}, { path });
  }
});

function entry(name: string, type: string, facts: ProcessFacts): object {
  return { name, type, prefix: '', 'network-interfaces': ['lo'], ...facts };
}

/** All parameters both in the query, in alphabetical order, and in headers, as csharg sends them. */
function cshargRequest(target: CshargTarget, { nifs = [], filter = '', chaste = false }: CshargOptions) {
  const json = goJson(target);
  const known = nifs.length > 0 ? nifs : (target['network-interfaces'] ?? []);
  const nif = known.length > 0 ? known.join('/') : 'all';
  const query = new URLSearchParams();
  const headers: Record<string, string> = {
    Authorization: 'Bearer token',
    'Clustershark-Container': json,
    'Clustershark-Nif': nif,
  };
  if (chaste) query.set('chaste', (headers['Clustershark-Chaste'] = ''));
  query.set('container', json);
  if (filter) query.set('filter', (headers['Clustershark-Filter'] = filter));
  query.set('nif', nif);
  return { query: query.toString(), headers };
}

/** JSON as Go's encoding/json writes it: in the order of the structure, with <, > and & escaped. */
function goJson(target: CshargTarget): string {
  const { name, type, netns, 'network-interfaces': interfaces, prefix, ...others } = target;
  return JSON.stringify({ name, type, netns, 'network-interfaces': interfaces, prefix, ...others }).replace(
    /[<>&]/g,
    (character) => `\\u00${character.charCodeAt(0).toString(16)}`,
  );
}
