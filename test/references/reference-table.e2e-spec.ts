import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mobyshark } from '../fixtures/ghostwire-server.js';
import { CaptureClient } from '../kit/capture-client.js';
import { Child } from '../kit/child.js';
import { CLOSE_INVALID_REQUEST, CLOSE_NOT_FOUND, CLOSE_STALE_OR_AMBIGUOUS } from '../kit/close-codes.js';
import { eventually } from '../kit/eventually.js';
import { namespaceOfProcess } from '../kit/namespace-holders.js';
import { inNamespace } from '../kit/processes.js';
import { describeAsRoot } from '../kit/root.js';
import { run } from '../kit/run.js';
import { discoveryForAllTests } from './directory.js';
import { addNamedInterface, factsOf, Targets } from './targets.js';

/** No namespace has this inode number: they start at a much higher one. */
const NO_NAMESPACE = 1;

/** The number of requests to GhostWire, and the interfaces of the capture or the reason for its refusal. */
type Outcome =
  | { readonly requests: number; readonly interfaces: (string | undefined)[] }
  | { readonly requests: number; readonly code: number; readonly reason: string };

/** The lookup of namespaces by container objects, with real processes in real namespaces. */
describeAsRoot('A container object', () => {
  const discovery = discoveryForAllTests();
  let targets: Targets;

  beforeAll(async () => {
    targets = await Targets.create();
    discovery.current.ghostwire.answer = mobyshark([
      { name: 'web', type: 'docker', prefix: '', ...targets.secondProcess },
      { name: 'web', type: 'docker', prefix: 'dind', ...targets.firstProcess },
      { name: 'twin', type: 'docker', prefix: '', ...targets.firstProcess },
      { name: 'twin', type: 'podman', prefix: '', ...targets.secondProcess },
      { name: 'default/web', type: 'pod', prefix: '', ...targets.firstProcess },
      {
        name: '/run/netns/bound',
        type: 'bindmount',
        prefix: '',
        netns: targets.bound.inode,
        pid: 0,
        starttime: 0,
        'network-interfaces': null,
      },
    ]);
  });
  afterAll(() => targets[Symbol.asyncDispose]());

  describe('with a namespace', () => {
    it('only refers to that namespace', async () => {
      expect(await outcomeOf({ netns: targets.first.inode })).toEqual(from('first0', 0));
      expect(await outcomeOf({ netns: targets.bound.inode })).toEqual(from('bound0', 0));
    });

    it('and an empty name refers to that namespace, too', async () => {
      expect(await outcomeOf({ netns: targets.first.inode, name: '', pid: 0, starttime: 0 })).toEqual(
        from('first0', 0),
      );
    });

    it('that does not exist is refused', async () => {
      expect(await outcomeOf({ netns: NO_NAMESPACE })).toEqual(refused(CLOSE_NOT_FOUND, / 1$/, 0));
    });

    it('or a name is valid, without both it is refused', async () => {
      expect(await outcomeOf({ pid: targets.first.pid })).toEqual(
        refused(CLOSE_INVALID_REQUEST, /netns or name/, 0),
      );
    });
  });

  describe('with a process and its start time', () => {
    it('is valid if they match, without a request to GhostWire', async () => {
      expect(await outcomeOf(targets.firstProcess)).toEqual(from('first0', 0));
      expect(await outcomeOf({ ...targets.secondProcess, name: 'twin' })).toEqual(from('second0', 0));
    });

    it('is valid whatever characters the command name of the process contains', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'packetflix-test-'));
      const program = join(folder, 'a) S 1 (b) 2');
      try {
        copyFileSync((await run('which', 'sleep')).trim(), program);
        await using child = await targets.first.start(program, 'infinity');
        await inNamespace(child.pid, targets.first.inode);
        const facts = factsOf(child.pid, targets.first);
        expect(facts.starttime).toBeGreaterThan(0);
        expect(await outcomeOf(facts)).toEqual(from('first0', 0));
        expect(await outcomeOf({ ...facts, starttime: facts.starttime + 1 })).toEqual(
          refused(CLOSE_STALE_OR_AMBIGUOUS, /start time/, 0),
        );
      } finally {
        rmSync(folder, { recursive: true });
      }
    });

    it('is stale when the process has ended', async () => {
      const facts = await targets.ended(targets.first);
      expect(await outcomeOf(facts)).toEqual(refused(CLOSE_STALE_OR_AMBIGUOUS, pid(facts.pid), 0));
      expect(await outcomeOf({ ...facts, name: 'web' })).toEqual(from('second0', 1));
    });

    it('is stale when the process is a zombie', async () => {
      // The parent does not wait for its child.
      const script = '$| = 1; my $child = fork or exit; print "child $child\\n"; sleep 1 while 1';
      await using parent = await Child.start('nsenter', [
        `--net=${targets.first.path}`,
        'perl',
        '-e',
        script,
      ]);
      const zombie = Number((await parent.saying(/child (\d+)/))[1]);
      await eventually('a zombie', () => readFileSync(`/proc/${zombie}/stat`, 'latin1').includes(') Z '));
      const facts = factsOf(zombie, targets.first);
      expect(await outcomeOf(facts)).toEqual(refused(CLOSE_STALE_OR_AMBIGUOUS, pid(zombie), 0));
    });

    it('is stale when a process in another namespace has got its process ID', async () => {
      await using replacement = await targets.replaced(targets.first, targets.bound);
      const { facts } = replacement;
      expect(await outcomeOf(facts)).toEqual(refused(CLOSE_STALE_OR_AMBIGUOUS, pid(facts.pid), 0));
      expect(await outcomeOf({ ...facts, name: 'web' })).toEqual(from('second0', 1));
    });

    it('is stale when another process in the same namespace has got its process ID', async () => {
      await using replacement = await targets.replaced(targets.first, targets.first);
      const { facts, successor } = replacement;
      const now = factsOf(successor.pid, targets.first);
      expect(now.pid).toBe(facts.pid);
      // A clock tick is 10 ms, so both processes may have the same start time.
      const stale = { ...facts, starttime: facts.starttime - Number(now.starttime === facts.starttime) };
      expect(await outcomeOf(stale)).toEqual(refused(CLOSE_STALE_OR_AMBIGUOUS, /start time/, 0));
      expect(await outcomeOf({ ...stale, name: 'web' })).toEqual(from('second0', 1));
      expect(await outcomeOf(now)).toEqual(from('first0', 0));
    });

    it('is stale when the process is in another namespace than the given one', async () => {
      const mixed = { ...targets.secondProcess, netns: targets.first.inode };
      expect(await outcomeOf(mixed)).toEqual(refused(CLOSE_STALE_OR_AMBIGUOUS, pid(targets.second.pid), 0));
      expect(await outcomeOf({ ...mixed, name: 'web' })).toEqual(from('second0', 1));
    });

    it('is stale when the process has moved to another namespace', async () => {
      const { path, inode } = targets.second;
      await using child = await targets.first.start('nsenter', `--net=${path}`, 'sleep', 'infinity');
      await inNamespace(child.pid, inode);
      const facts = factsOf(child.pid, targets.first);
      expect(await outcomeOf(facts)).toEqual(refused(CLOSE_STALE_OR_AMBIGUOUS, pid(child.pid), 0));
    });

    it('is stale when neither process nor namespace exists', async () => {
      const facts = { netns: NO_NAMESPACE, pid: 2 ** 31, starttime: 1 };
      expect(await outcomeOf(facts)).toEqual(refused(CLOSE_STALE_OR_AMBIGUOUS, pid(facts.pid), 0));
      expect(await outcomeOf({ ...facts, name: 'web' })).toEqual(from('second0', 1));
    });

    it('is not found when it is stale and its name is unknown', async () => {
      const facts = await targets.ended(targets.first);
      expect(await outcomeOf({ ...facts, name: 'nobody' })).toEqual(refused(CLOSE_NOT_FOUND, /"nobody"/, 1));
    });
  });

  describe('with a process without its start time', () => {
    it('is valid if the process is in the namespace', async () => {
      const { netns, pid } = targets.firstProcess;
      expect(await outcomeOf({ netns, pid })).toEqual(from('first0', 0));
      expect(await outcomeOf({ netns, pid, starttime: 0 })).toEqual(from('first0', 0));
      expect(await outcomeOf({ netns, pid, name: 'web' })).toEqual(from('first0', 0));
    });

    it('is stale when the process is in another namespace', async () => {
      const mixed = { netns: targets.first.inode, pid: targets.second.pid };
      expect(await outcomeOf(mixed)).toEqual(refused(CLOSE_STALE_OR_AMBIGUOUS, pid(mixed.pid), 0));
      expect(await outcomeOf({ ...mixed, name: 'web' })).toEqual(from('second0', 1));
    });

    it('is stale when the process has ended', async () => {
      const { netns, pid: ended } = await targets.ended(targets.first);
      expect(await outcomeOf({ netns, pid: ended })).toEqual(
        refused(CLOSE_STALE_OR_AMBIGUOUS, pid(ended), 0),
      );
    });
  });

  describe('with a name and without a process', () => {
    it('is looked up, even if its namespace exists', async () => {
      expect(await outcomeOf({ name: 'web' })).toEqual(from('second0', 1));
      expect(await outcomeOf({ name: 'web', netns: 0, pid: 0, starttime: 0 })).toEqual(from('second0', 1));
      expect(await outcomeOf({ name: 'web', netns: targets.first.inode })).toEqual(from('second0', 1));
      expect(await outcomeOf({ name: 'web', netns: targets.first.inode, starttime: 7 })).toEqual(
        from('second0', 1),
      );
    });

    it('is looked up with its prefix', async () => {
      expect(await outcomeOf({ name: 'web', prefix: 'dind' })).toEqual(from('first0', 1));
      expect(await outcomeOf({ name: 'twin', prefix: 'nobody', netns: targets.first.inode })).toEqual(
        refused(CLOSE_NOT_FOUND, /"twin" with prefix "nobody"/, 1),
      );
    });

    it('is looked up without its prefix when it is a pod', async () => {
      expect(await outcomeOf({ name: 'default/web', type: 'pod', prefix: 'kind-worker' })).toEqual(
        from('first0', 1),
      );
    });

    it('can refer to a bind mount, which has no process', async () => {
      expect(await outcomeOf({ name: '/run/netns/bound' })).toEqual(from('bound0', 1));
    });

    it('is not found when no target has the name', async () => {
      const { inode } = targets.first;
      for (const container of [{ name: 'nobody' }, { name: 'nobody', netns: inode }, { name: 'WEB' }]) {
        expect(await outcomeOf(container)).toEqual(refused(CLOSE_NOT_FOUND, new RegExp(container.name), 1));
      }
    });

    it('that several targets have refers to the one in the namespace', async () => {
      expect(await outcomeOf({ name: 'twin', netns: targets.first.inode, type: 'podman' })).toEqual(
        from('first0', 1),
      );
    });

    it('that several targets have, none of them in the namespace, refers to the one of the type', async () => {
      expect(await outcomeOf({ name: 'twin', netns: targets.bound.inode, type: 'podman' })).toEqual(
        from('second0', 1),
      );
      expect(await outcomeOf({ name: 'twin', type: 'docker' })).toEqual(from('first0', 1));
    });

    it('that several targets have is ambiguous otherwise, and the reason lists the candidates', async () => {
      const outcome = await outcomeOf({ name: 'twin' });
      expect(outcome).toEqual(refused(CLOSE_STALE_OR_AMBIGUOUS, /"twin" is ambiguous/, 1));
      for (const listed of [`docker in ${targets.first.inode}`, `podman in ${targets.second.inode}`]) {
        expect(outcome).toHaveProperty('reason', expect.stringContaining(listed));
      }
      expect(await outcomeOf({ name: 'twin', type: 'containerd', netns: NO_NAMESPACE })).toMatchObject({
        code: CLOSE_STALE_OR_AMBIGUOUS,
      });
    });
  });

  it('that is stale finds a restarted target of the same name', async () => {
    const { ghostwire } = discovery.current;
    const { answer } = ghostwire;
    await using first = await namespaceOfProcess();
    const stale = factsOf(first.pid, first);
    await first.end();
    await using restarted = await namespaceOfProcess();
    await addNamedInterface(restarted, 'again0');
    try {
      ghostwire.answer = mobyshark([{ name: 'restarted', ...factsOf(restarted.pid, restarted) }]);
      expect(await outcomeOf({ ...stale, name: 'restarted' })).toEqual(from('again0', 1));
    } finally {
      ghostwire.answer = answer;
    }
  });

  async function outcomeOf(container: object): Promise<Outcome> {
    const { service, ghostwire } = discovery.current;
    const before = ghostwire.requests.length;
    await using client = await CaptureClient.open(service, { container });
    await client.until(
      'an interface or the close',
      () => client.interfaces.length > 0 || client.closing !== undefined,
    );
    const requests = ghostwire.requests.slice(before);
    expect(requests.map(({ method, url }) => `${method} ${url}`)).toEqual(
      requests.map(() => 'GET /mobyshark'),
    );
    return client.closing
      ? { requests: requests.length, ...client.closing }
      : { requests: requests.length, interfaces: client.interfaceNames };
  }
});

function from(interfaceName: string, requests: number) {
  return { requests, interfaces: [interfaceName] };
}

function refused(code: number, reason: RegExp, requests: number) {
  return { requests, code, reason: expect.stringMatching(reason) as string };
}

function pid(number: number): RegExp {
  return new RegExp(`process ${number} `);
}
