import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { CaptureClient } from '../kit/capture-client.js';
import type { Child } from '../kit/child.js';
import { clusterForAllTests, describeWithCluster, type Target, targetsOf } from '../kit/cluster.js';
import { eventually } from '../kit/eventually.js';
import { PacketSender } from '../kit/packets.js';

const HOSTS = ['alpha', 'beta', 'gamma'];
const PACKETS_PER_SECOND = 50_000;
const SECONDS = 3;
const COUNT = Math.ceil((PACKETS_PER_SECOND * SECONDS) / HOSTS.length);
const ROUNDS = 3;
/** 1.0 when the machine has nothing else to do; each packet costs more while others evict its caches. */
const MAX_RATIO = 1.25;

describeWithCluster('A gateway that merges 50,000 packets a second of three nodes', () => {
  const current = clusterForAllTests(HOSTS);
  let targets: Target[] = [];
  beforeAll(async () => {
    targets = await Promise.all(current.cluster.hosts.map((host) => host.addTarget('load')));
    await eventually('the targets', async () => {
      const names = (await targetsOf(current.gateway)).map(({ name }) => name);
      return names.filter((name) => name.startsWith('load(')).length === HOSTS.length;
    });
  });

  async function send(): Promise<void> {
    await using made = new AsyncDisposableStack();
    const spec = {
      interface: 'eth0',
      count: COUNT,
      sizes: [200],
      ratePerSecond: PACKETS_PER_SECOND / HOSTS.length,
    };
    const starting = targets.map(({ namespace }, flow) => PacketSender.start(namespace, { ...spec, flow }));
    const senders = (await Promise.all(starting)).map((sender) => made.use(sender));
    for (const sender of senders) expect(await sender.finished()).toBe(COUNT);
  }

  async function secondsOfGateway(): Promise<number> {
    const { gateway } = current;
    const selectors = JSON.stringify([{ type: 'proc', name: 'load(*' }]);
    const request = { targets: selectors, nif: 'eth1' };
    await using client = await CaptureClient.open(gateway, request, { countOnly: true });
    await client.described(...targets.map(({ title, host }) => `${title} in ${host.name}:eth1`));
    const pids = gateway.processes().map(({ pid }) => pid);
    const before = secondsOf(pids);
    await send();
    for (const flow of targets.keys()) await client.received(COUNT, flow);
    return secondsOf(pids) - before;
  }

  async function secondsOfDumpcap(): Promise<number> {
    await using made = new AsyncDisposableStack();
    const programs: Child[] = [];
    for (const { namespace } of targets) {
      const program = made.use(await namespace.start('dumpcap', '-q', '-i', 'eth1', '-w', '/dev/null'));
      await program.saying(/File: /);
      programs.push(program);
    }
    const pids = programs.map(({ pid }) => pid);
    const before = secondsOf(pids);
    await send();
    await sleep(500);
    const seconds = secondsOf(pids) - before;
    for (const program of programs) {
      program.signal('SIGINT');
      await program.ended;
      expect(Number(/Packets captured: (\d+)/.exec(program.stderr)?.[1])).toBe(COUNT);
    }
    return seconds;
  }

  it('takes no more CPU time than dumpcap for the same packets', async () => {
    const rounds: { gateway: number; dumpcap: number }[] = [];
    await secondsOfGateway(); // until its code is compiled
    for (let round = 0; round < ROUNDS; round += 1) {
      rounds.push({ gateway: await secondsOfGateway(), dumpcap: await secondsOfDumpcap() });
    }
    const ratios = rounds.map(({ gateway, dumpcap }) => gateway / dumpcap).sort((a, b) => a - b);
    console.info(
      `CPU time of the gateway, relative to dumpcap: ${ratios.map((ratio) => ratio.toFixed(2)).join(', ')}`,
      rounds,
    );
    expect(ratios[ROUNDS >> 1]).toBeLessThanOrEqual(MAX_RATIO);
  }, 90_000);
});

/** CPU time of all threads of these processes, see schedstat in proc(5): in nanoseconds, which the times of proc_pid_stat(5) are not. */
function secondsOf(pids: readonly number[]): number {
  return pids
    .flatMap((pid) =>
      readdirSync(`/proc/${pid}/task`).map((thread) => `/proc/${pid}/task/${thread}/schedstat`),
    )
    .reduce((sum, path) => sum + Number(readFileSync(path, 'latin1').split(' ')[0]) / 1e9, 0);
}
