import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { CaptureClient } from '../kit/capture-client.js';
import { eventually } from '../kit/eventually.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { describeAsRoot } from '../kit/root.js';
import { Service } from '../kit/service.js';
import { crowdedNamespace, openAndAbort, renameInterfaces } from './attacks.js';

const MEBIBYTES = 96;
const LIMITS = ['--max-captures', '16', '--ring-memory', String(MEBIBYTES)];
const ATTACK_MS = 8_000;
/** For an ordinary client that opens a capture during the attack, on a machine that is busy with other things. */
const MAX_OPENING_MS = 5_000;

describeAsRoot('Ring memory', () => {
  it('stays within its limit while captures of many interfaces are opened and aborted', async () => {
    await using service = await Service.start(LIMITS);
    await using namespace = await crowdedNamespace();
    let most = 0;
    let attacking = true;
    const watching = (async () => {
      for (; attacking; await sleep(10)) most = Math.max(most, mappedRings(service));
    })();
    await openAndAbort(namespace)(service, AbortSignal.timeout(ATTACK_MS));
    attacking = false;
    await watching;
    console.info(`captures that are aborted while they open: at most ${most} MiB of rings are mapped`);
    expect(most).toBeLessThanOrEqual(MEBIBYTES);
    await using client = await CaptureClient.open(service, { netns: namespace.inode, nif: 'a0' });
    await client.described('a0');
    await eventually('the return of all other memory', () => mappedRings(service) < MEBIBYTES / 4);
  });
});

describeAsRoot('A namespace whose interfaces are renamed all the time', () => {
  it('costs others neither ring memory nor time, and the log a few lines', async () => {
    await using service = await Service.start(LIMITS);
    await using namespace = await crowdedNamespace();
    await using other = await NetworkNamespace.create();
    await other.addWire('eth0', 'eth1');
    await using victim = await CaptureClient.open(service, { netns: namespace.inode }, { countOnly: true });
    await victim.described('a0');
    const linesBefore = service.log.split('\n').length;
    const end = new AbortController();
    const attack = renameInterfaces(namespace)(service, end.signal);
    let most = 0;
    let slowestMs = 0;
    for (const end = performance.now() + ATTACK_MS; performance.now() < end; await sleep(200)) {
      most = Math.max(most, mappedRings(service));
      const begin = performance.now();
      await using client = await CaptureClient.open(service, { netns: other.inode, nif: 'eth1' });
      await client.described('eth1');
      slowestMs = Math.max(slowestMs, performance.now() - begin);
    }
    end.abort();
    await attack;
    const interfaces = victim.interfaces.length;
    const engineLines = service.log
      .split('\n')
      .slice(linesBefore)
      .filter((line) => line.includes('engine'));
    console.info(
      `renamed interfaces: ${interfaces} descriptions, at most ${most} MiB of rings, ${engineLines.length} log lines, ` +
        `another capture opens within ${Math.round(slowestMs)} ms`,
    );
    expect(interfaces).toBeLessThan(400);
    expect(most).toBeLessThanOrEqual(MEBIBYTES / 2);
    expect(engineLines.length).toBeLessThan(60);
    expect(slowestMs).toBeLessThan(MAX_OPENING_MS);
  });
});

/** Ring memory that the engines have mapped, in MiB. */
function mappedRings(service: Service): number {
  const bytes = service
    .allInRole('engine')
    .flatMap(({ pid }) => mapsOf(pid).split('\n'))
    .filter((line) => line.includes('socket:['))
    .map((line) => {
      const [from = '0', to = '0'] = line.split(' ', 1)[0]?.split('-') ?? [];
      return parseInt(to, 16) - parseInt(from, 16);
    });
  return bytes.reduce((sum, each) => sum + each, 0) / 1024 / 1024;
}

function mapsOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/maps`, 'latin1');
  } catch {
    return ''; // ENOENT: the engine has ended since it was listed
  }
}
