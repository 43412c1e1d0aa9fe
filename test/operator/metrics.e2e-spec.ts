import { startAllProcesses } from '../kit/all-processes.js';
import { CaptureClient } from '../kit/capture-client.js';
import { eventually } from '../kit/eventually.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { PacketSender } from '../kit/packets.js';
import { describeAsRoot } from '../kit/root.js';
import { Service, serviceForAllTests } from '../kit/service.js';
import { readSamples, type Sample } from './prometheus-text.js';

async function samplesOf(port: number): Promise<Sample[]> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`);
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  return readSamples(await response.text());
}

/** The sum over all samples of that name that have these labels. */
function sumOf(samples: readonly Sample[], name: string, labels: Record<string, string> = {}): number {
  const found = samples.filter(
    (sample) =>
      sample.name === `packetflix_${name}` &&
      Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
  );
  if (found.length === 0) throw new Error(`there is no packetflix_${name} with ${JSON.stringify(labels)}`);
  return found.reduce((sum, { value }) => sum + value, 0);
}

describeAsRoot('The metrics', () => {
  const service = serviceForAllTests();
  const valueOf = async (name: string, labels?: Record<string, string>) =>
    sumOf(await samplesOf(service.current.port), name, labels);

  it('count captures as they start and end, and packets while a capture runs', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    const before = await samplesOf(service.current.port);
    await using client = await CaptureClient.open(service.current, { netns: namespace.inode, nif: 'eth1' });
    await client.described('eth1');
    const began = await samplesOf(service.current.port);
    expect(sumOf(began, 'captures_active')).toBe(1);
    expect(sumOf(began, 'engine_captures')).toBe(1);
    expect(sumOf(began, 'captures_started_total')).toBe(sumOf(before, 'captures_started_total') + 1);
    expect(sumOf(began, 'ring_bytes')).toBeGreaterThan(1024 * 1024);
    expect(sumOf(began, 'ring_bytes')).toBeLessThanOrEqual(sumOf(began, 'ring_limit_bytes'));

    const sender = await PacketSender.start(namespace, { interface: 'eth0', count: 1_000, sizes: [100] });
    await sender.finished();
    await client.received(1_000);
    const packets = sumOf(before, 'packets_total') + 1_000;
    // Engines report once a second what they have written to clients.
    await eventually('the bytes of the stream', async () => (await valueOf('stream_bytes_total')) > 100_000);
    const during = await samplesOf(service.current.port);
    expect(sumOf(during, 'packets_total')).toBe(packets);
    expect(sumOf(during, 'packet_bytes_total') - sumOf(before, 'packet_bytes_total')).toBe(100_000);

    await client.close();
    await eventually('the end', async () => (await valueOf('captures_active')) === 0);
    const after = await samplesOf(service.current.port);
    expect(sumOf(after, 'captures_ended_total', { cause: 'client-left', code: '1000' })).toBe(
      sumOf(before, 'captures_ended_total', { cause: 'client-left', code: '1000' }) + 1,
    );
    expect(sumOf(after, 'packets_total')).toBe(packets);
    expect(sumOf(after, 'stream_bytes_total')).toBeGreaterThanOrEqual(sumOf(during, 'stream_bytes_total'));
    expect(sumOf(after, 'capture_open_seconds_count')).toBe(sumOf(after, 'captures_started_total'));
  });

  it('count stalled clients and packets dropped by the kernel', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    await using client = await CaptureClient.open(
      service.current,
      { netns: namespace.inode, nif: 'eth1' },
      { countOnly: true },
    );
    await client.described('eth1');
    const before = await samplesOf(service.current.port);
    client.stall();
    await using sender = await PacketSender.start(namespace, { interface: 'eth0', sizes: [1_400] });
    const during = await eventually(
      'drops and seconds of a stall',
      async () => {
        const samples = await samplesOf(service.current.port);
        const dropped = sumOf(samples, 'kernel_dropped_packets_total');
        const seconds = sumOf(samples, 'client_stalled_seconds_total');
        return (
          dropped > sumOf(before, 'kernel_dropped_packets_total') &&
          seconds > sumOf(before, 'client_stalled_seconds_total') &&
          samples
        );
      },
      30_000,
    );
    expect(sumOf(during, 'clients_stalled')).toBe(1);
    expect(sumOf(during, 'client_stalls_total')).toBe(sumOf(before, 'client_stalls_total') + 1);
    await sender.stop();
    client.abort();
    await eventually('the end of the stall', async () => (await valueOf('clients_stalled')) === 0);
  });

  it('count refusals by cause and get no new time series from untrusted text', async () => {
    await startAllProcesses(service.current);
    const before = await samplesOf(service.current.port);
    const cause = { cause: 'invalid-request', code: '4400' };
    for (let count = 0; count < 20; count++) {
      await using client = await CaptureClient.open(service.current, { netns: `untrusted-${count}` });
      await client.ended();
    }
    const after = await samplesOf(service.current.port);
    expect(sumOf(after, 'captures_refused_total', cause)).toBe(
      sumOf(before, 'captures_refused_total', cause) + 20,
    );
    // Those of processes that have ended are absent.
    const seriesOf = (samples: typeof before) => samples.map(({ name, labels }) => ({ name, labels }));
    expect(seriesOf(before)).toEqual(expect.arrayContaining(seriesOf(after)));
  });

  it('include the duration of lookups', async () => {
    const outcome = { outcome: 'not-found' };
    const before = await valueOf('lookup_seconds_count', outcome);
    await using client = await CaptureClient.open(service.current, {
      container: { name: 'nobody-has-this-name' },
    });
    expect((await client.ended()).code).toBe(4404);
    const after = await samplesOf(service.current.port);
    expect(sumOf(after, 'lookup_seconds_count', outcome)).toBe(before + 1);
    expect(sumOf(after, 'lookup_seconds_sum', outcome)).toBeGreaterThan(0);
  });

  it('include the resource usage of each process', async () => {
    await startAllProcesses(service.current);
    const samples = await eventually('all processes', async () => {
      const found = await samplesOf(service.current.port);
      return found.filter(({ name }) => name.includes('process_threads')).length >= 4 && found;
    });
    const names = samples
      .filter(({ name }) => name === 'packetflix_process_resident_memory_bytes')
      .map(({ labels }) => labels['process']);
    expect(names).toEqual(expect.arrayContaining(['server', 'supervisor', 'engine-0', 'discoverer']));
    for (const process of names) {
      const labels = { process: process! };
      expect(sumOf(samples, 'process_resident_memory_bytes', labels)).toBeGreaterThan(10 * 1024 * 1024);
      expect(sumOf(samples, 'process_cpu_seconds_total', labels)).toBeGreaterThan(0);
      expect(sumOf(samples, 'process_threads', labels)).toBeGreaterThan(0);
    }
  });
});

describeAsRoot('The metrics after the death of an engine', () => {
  it('count its restart', async () => {
    await using service = await Service.start();
    const connected = async () => sumOf(await samplesOf(service.port), 'engine_connected');
    const engines = (await samplesOf(service.port)).filter(({ name }) =>
      name.endsWith('_engine_connected'),
    ).length;
    await eventually('all engines', async () => (await connected()) === engines);
    expect(sumOf(await samplesOf(service.port), 'engine_restarts_total')).toBe(0);
    process.kill(service.inRole('engine').pid, 'SIGKILL');
    await eventually(
      'the restart',
      async () => sumOf(await samplesOf(service.port), 'engine_restarts_total') === 1,
      20_000,
    );
    await eventually('all engines again', async () => (await connected()) === engines);
  });
});
