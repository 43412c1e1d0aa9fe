import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { startAllProcesses } from '../kit/all-processes.js';
import { CaptureClient, type CaptureParameters, type Closing } from '../kit/capture-client.js';
import { CLOSE_NOT_FOUND } from '../kit/close-codes.js';
import { eventually } from '../kit/eventually.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { namespaceOfDescriptor } from '../kit/namespace-holders.js';
import { mask, NO_CAPABILITIES, only, privilegesOf, procLink, type ProcessFacts } from '../kit/processes.js';
import { PROJECT } from './base-images.js';
import { DeployedService, type ComposedService } from './deployed-service.js';
import { describeWithImage, dockerWithImage, podmanWithImage } from './describe-with-image.js';

const USER = 51_001;
const CLOSE_INTERNAL = 1011;
const TEST_TIMEOUT_MS = 180_000;
/** Bit numbers of capabilities(7), from linux/capability.h. */
const BITS: Readonly<Record<string, number>> = {
  DAC_OVERRIDE: 1,
  DAC_READ_SEARCH: 2,
  SETGID: 6,
  SETUID: 7,
  SETPCAP: 8,
  NET_RAW: 13,
  SYS_PTRACE: 19,
  SYS_ADMIN: 21,
};

describe.each([
  ['Docker', dockerWithImage],
  ['Podman', podmanWithImage],
])('With %s', (type, withImage) => {
  describeWithImage('the processes in the container', () => {
    const container = withImage();

    it(
      'have the user and capabilities documented in docs/container.md and cannot gain more',
      async () => {
        await using service = await DeployedService.up(container.runtime);
        await startAllProcesses(service);
        const processes = await allProcesses(service);
        const found = Object.fromEntries(
          processes.map((facts) => [roleOf(facts, processes), privilegesOf(facts.pid)]),
        );
        expect(found).toEqual(documented());
        for (const { pid } of processes) expect(seccompModeOf(pid)).toBe('2');
        expect(listeners(processes)).toEqual(['server']);
      },
      TEST_TIMEOUT_MS,
    );

    // Docker cannot give ambient capabilities to an ordinary user.
    if (type === 'Docker') return;

    it(
      'capture when the container starts as an ordinary user with ambient capabilities',
      async () => {
        await using service = await DeployedService.up(container.runtime, {
          change: (composed) => {
            composed.user = `${USER}:${USER}`;
            composed.cap_add = composed.cap_add.filter((name) => !name.startsWith('SET'));
          },
        });
        await using namespace = await NetworkNamespace.create();
        await namespace.addWire('left', 'right');
        await using client = await CaptureClient.open(service, { netns: namespace.inode });
        await client.described('left', 'right');
        for (const { pid } of await service.processes()) expect(privilegesOf(pid).uids).toEqual(only(USER));
      },
      TEST_TIMEOUT_MS,
    );
  });
});

describeWithImage('The container without', () => {
  const docker = dockerWithImage();

  const without = (name: string) => (composed: ComposedService) => {
    composed.cap_add = composed.cap_add.filter((each) => each !== name);
    composed.restart = 'no';
  };

  /** The close frame of a capture that the service refuses. */
  async function refusal(service: DeployedService, parameters: CaptureParameters): Promise<Closing> {
    await using client = await CaptureClient.open(service, parameters);
    return await client.ended();
  }

  it(
    'SYS_PTRACE, SYS_ADMIN or NET_RAW reports that at startup and refuses captures',
    async () => {
      await docker.runtime.start('target');
      const namespace = await docker.runtime.wiredNamespaceOf('target');
      await allAtOnce(
        [
          ['SYS_PTRACE', CLOSE_NOT_FOUND, /there is no network namespace/],
          ['SYS_ADMIN', CLOSE_INTERNAL, /lacks a privilege: setns/],
          ['NET_RAW', CLOSE_INTERNAL, /lacks a privilege: socket/],
        ] as const,
        async ([name, code, reason]) => {
          await using service = await DeployedService.up(docker.runtime, { change: without(name) });
          await service.logged(new RegExp(`missing capability CAP_${name}: .*CAPTURES WILL NOT WORK`));
          const closing = await refusal(service, { netns: namespace.inode });
          expect([name, closing]).toEqual([name, { code, reason: expect.stringMatching(reason) as string }]);
        },
      );
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'DAC_READ_SEARCH reports that at startup and does not find namespaces kept alive by a descriptor only',
    async () => {
      await using hidden = await namespaceOfDescriptor();
      await hidden.addWire('left', 'right');
      {
        await using complete = await DeployedService.up(docker.runtime);
        await using client = await CaptureClient.open(complete, { netns: hidden.inode });
        await client.described('left', 'right');
      }
      await using service = await DeployedService.up(docker.runtime, { change: without('DAC_READ_SEARCH') });
      await service.logged(/missing capability CAP_DAC_READ_SEARCH \(optional\)/);
      expect(await refusal(service, { netns: hidden.inode })).toMatchObject({ code: CLOSE_NOT_FOUND });
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'DAC_OVERRIDE reports that at startup and finds no Docker containers by name, but captures by inode',
    async () => {
      await docker.runtime.start('named');
      const namespace = await docker.runtime.wiredNamespaceOf('named');
      await using service = await DeployedService.up(docker.runtime, { change: without('DAC_OVERRIDE') });
      await service.logged(/missing capability CAP_DAC_OVERRIDE \(optional\)/);
      expect(await refusal(service, { container: { name: 'named' } })).toMatchObject({
        code: CLOSE_NOT_FOUND,
      });
      await using client = await CaptureClient.open(service, { netns: namespace.inode });
      await client.described('eth0', 'eth1');
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'SETUID, SETGID or SETPCAP refuses to start instead of running as root',
    async () => {
      await allAtOnce(['SETUID', 'SETGID', 'SETPCAP'], async (name) => {
        await using service = await DeployedService.up(docker.runtime, {
          change: without(name),
          answers: false,
        });
        await eventually(
          'the end of the container',
          async () => (await service.state()) === 'exited 1',
          30_000,
        );
        await service.logged(new RegExp(`without CAP_${name}: root cannot be dropped`));
      });
    },
    TEST_TIMEOUT_MS,
  );
});

/** Runs the checks concurrently, since starting containers is mostly waiting. All end before a failure is reported. */
async function allAtOnce<T>(items: readonly T[], check: (item: T) => Promise<void>): Promise<void> {
  for (const result of await Promise.allSettled(items.map(check))) {
    if (result.status === 'rejected') throw result.reason;
  }
}

/** Waits until all documented processes show by their titles that they run. */
async function allProcesses(service: DeployedService): Promise<ProcessFacts[]> {
  const roles = Object.keys(documented()).sort().join();
  return await eventually(
    'all processes',
    async () => {
      const processes = await service.processes();
      const found = new Set(processes.map((facts) => roleOf(facts, processes)));
      return [...found].sort().join() === roles && processes;
    },
    30_000,
  );
}

function roleOf({ pid, command }: ProcessFacts, [supervisor]: readonly ProcessFacts[]): string {
  if (pid === supervisor?.pid) return 'supervisor';
  return (
    /packetflix: (engine|discoverer|filter compiler)|main\.js (server)/.exec(command)?.slice(1).join('') ??
    command
  );
}

/** The table of docs/container.md: process, user, capabilities, bounding set. */
function documented(): Record<string, ReturnType<typeof privilegesOf>> {
  const text = readFileSync(join(PROJECT, 'docs/container.md'), 'utf8');
  const rows = [...text.matchAll(/^\| ([\w ]+) \| 51001 \| (.*) \| (.*) \|$/gm)];
  expect(rows).toHaveLength(5);
  return Object.fromEntries(
    rows.map(([, role = '', names = '', limit = '']) => {
      const set = maskOf(names);
      const sets = { inheritable: set, permitted: set, effective: set, ambient: set };
      const bounding = limit === 'the same' ? set : maskOf(limit);
      return [
        role,
        { uids: only(USER), gids: only(USER), groups: [], noNewPrivileges: true, bounding, ...sets },
      ];
    }),
  );
}

function maskOf(names: string): string {
  const bits = [...names.matchAll(/`(\w+)`/g)].map(([, name = '']) => BITS[name]);
  if (bits.includes(undefined)) throw new Error(`unknown capability in docs/container.md: ${names}`);
  return bits.length > 0 ? mask(...bits.map(Number)) : NO_CAPABILITIES;
}

function seccompModeOf(pid: number): string | undefined {
  return /^Seccomp:\s*(\d)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
}

/** Roles of the processes that have a listening TCP socket; see proc_pid_net(5): field 4 is the state, 10 the inode. */
function listeners(processes: readonly ProcessFacts[]): string[] {
  const TCP_LISTEN = '0A';
  return processes
    .filter(({ pid }) => {
      const lines = ['tcp', 'tcp6'].flatMap((table) =>
        readFileSync(`/proc/${pid}/net/${table}`, 'utf8').split('\n'),
      );
      const listening = lines
        .map((line) => line.trim().split(/\s+/))
        .filter((fields) => fields[3] === TCP_LISTEN)
        .map((fields) => `socket:[${fields[9]}]`);
      return readdirSync(`/proc/${pid}/fd`).some((fd) =>
        listening.includes(procLink(`/proc/${pid}/fd/${fd}`)),
      );
    })
    .map((facts) => roleOf(facts, processes));
}
