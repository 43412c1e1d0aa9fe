import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startAllProcesses } from '../kit/all-processes.js';
import { CaptureClient } from '../kit/capture-client.js';
import { eventually } from '../kit/eventually.js';
import { describeAsRoot } from '../kit/root.js';
import { run } from '../kit/run.js';
import { privilegesIn, privilegesOf, procLink } from '../kit/processes.js';
import { MAIN, netnsOfThisProcess, Service } from '../kit/service.js';

const PROGRAM = new URL('programs/as-the-server.mjs', import.meta.url).pathname;
/** Capabilities that the program needs to change its user, which it loses thereby. */
const STARTUP_CAPABILITIES = '-all,+setuid,+setgid,+dac_read_search';

describeAsRoot('An attacker in control of the server', () => {
  let folder: string;
  beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'boundary-'))));
  afterAll(() => rmSync(folder, { recursive: true }));

  it('cannot enter namespaces, capture packets, access other processes or gain privileges', async () => {
    const secretFile = join(folder, 'secret');
    writeFileSync(secretFile, 'secret', { mode: 0o600 });
    chmodSync(folder, 0o755);
    await using service = await Service.start();
    await using client = await CaptureClient.open(service, { netns: netnsOfThisProcess(), nif: 'lo' });
    await client.described('lo');
    const server = privilegesOf(service.inRole('server').pid);
    const engine = service.inRole('engine');

    const stripped = ['--clear-groups', '--inh-caps=-all', '--ambient-caps=-all', '--no-new-privs'];
    const output = await run(
      'setpriv',
      ...[...stripped, `--bounding-set=${STARTUP_CAPABILITIES}`, '--', process.execPath, PROGRAM],
      ...[server.uids[0], server.gids[0], engine.pid].map(String),
      ...[secretFile, MAIN],
    );
    const { outcomes, status } = JSON.parse(output) as { outcomes: Record<string, string>; status: string };

    // The outcomes are meaningful only with the same user and privileges as the server.
    expect({ ...privilegesIn(status), bounding: '' }).toEqual({ ...server, bounding: '' });
    expect(outcomes).toEqual({
      'enter a network namespace': 'EPERM',
      'open the network namespace of an engine': 'EACCES',
      'capture packets': 'EPERM',
      'send raw packets': 'EPERM',
      'trace an engine': 'EPERM',
      'open the memory of an engine': 'EACCES',
      'read the memory of an engine': 'EPERM',
      'read the environment of an engine': 'EACCES',
      'see the files of an engine': 'EACCES',
      'see the files of the first process': 'EACCES',
      'read a file of root': 'EACCES',
      'change the code': 'EACCES',
      'change the kernel': 'EACCES',
      mount: 'EPERM',
      'become root': 'EPERM',
      'become root by its group': 'EPERM',
    });
  });

  it('cannot start a debugger by sending SIGUSR1 to the other processes', async () => {
    await using service = await Service.start();
    await startAllProcesses(service);
    const processes = service.processes();
    for (const { pid } of processes) process.kill(pid, 'SIGUSR1');
    await sleep(500);
    expect(service.log).not.toMatch(/debugger/i);
    expect(service.processes().map(({ pid }) => pid)).toEqual(processes.map(({ pid }) => pid));
    const listening = new Set(
      [
        ...readFileSync('/proc/net/tcp', 'latin1').matchAll(/^ *\d+: \S+:23ED .* 0A (?:\S+ +){6}(\d+) /gm),
      ].map(([, inode]) => `socket:[${inode}]`),
    );
    for (const { pid, descriptors } of service.processes()) {
      const sockets = descriptors.map((descriptor) => procLink(`/proc/${pid}/fd/${descriptor}`));
      expect(sockets.filter((socket) => listening.has(socket))).toEqual([]);
    }
  });

  it('has no controlling terminal', async () => {
    await using service = await Service.start();
    await startAllProcesses(service);
    const compilers = await eventually('filter compilers', () => {
      const found = service.allInRole('filter compiler');
      return found.length > 0 && found;
    });
    const leaders = [...service.allInRole('server'), ...service.allInRole('engine')].map(({ pid }) => pid);
    for (const { pid } of [...service.allInRole('server'), ...compilers]) {
      const [, , session] = readFileSync(`/proc/${pid}/stat`, 'latin1')
        .replace(/^.*\) /s, '')
        .split(' ')
        .slice(1);
      // Only the session in which the service was started may have a terminal.
      expect(leaders).toContain(Number(session));
    }
  });
});
