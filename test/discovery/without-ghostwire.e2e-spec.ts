import { CaptureClient } from '../kit/capture-client.js';
import { CLOSE_DISCOVERY_FAILED, CLOSE_NOT_FOUND } from '../kit/close-codes.js';
import { Child } from '../kit/child.js';
import { namespaceOfProcess } from '../kit/namespace-holders.js';
import { sendPackets } from '../kit/packets.js';
import { describeAsRoot } from '../kit/root.js';
import { freePort, MAIN, Service, serviceForAllTests } from '../kit/service.js';

describeAsRoot('Without GhostWire', () => {
  const service = serviceForAllTests();

  it('a target is found by its name', async () => {
    await using namespace = await namespaceOfProcess();
    await namespace.addWire('eth0', 'eth1');
    const container = { name: `sleep(${namespace.pid})`, 'network-interfaces': ['eth1'] };
    await using client = await CaptureClient.open(service.current, { container });
    await client.described('eth1');

    await sendPackets(namespace, { interface: 'eth0', count: 10 });

    await client.received(10);
  });

  it('an unknown name is refused with 4404', async () => {
    await using client = await CaptureClient.open(service.current, { container: { name: 'nobody' } });
    expect(await client.ended()).toEqual({ code: CLOSE_NOT_FOUND, reason: 'no target named "nobody"' });
  });

  it('there is no list without --local-discovery', async () => {
    expect((await fetch(service.current.url('/discover/mobyshark'))).status).toBe(404);
  });

  it('a configured GhostWire that is unreachable is reported when a name is not found', async () => {
    const port = await freePort();
    await using configured = await Service.start(['--gw-port', String(port)]);
    await using namespace = await namespaceOfProcess();
    const name = `sleep(${namespace.pid})`;

    await using unknown = await CaptureClient.open(configured, { container: { name: 'nobody' } });
    const { code, reason } = await unknown.ended();
    expect(code).toBe(CLOSE_DISCOVERY_FAILED);
    expect(reason).toBe(`GhostWire cannot be reached (ECONNREFUSED): 127.0.0.1 port ${port}`);

    await using known = await CaptureClient.open(configured, { container: { name } });
    await known.until('the section header block', () => known.comments.length > 0);
  });
});

describe('--local-discovery and --proxy-discovery', () => {
  it('cannot be combined: the start fails with status 2', async () => {
    const child = await Child.start(process.execPath, [MAIN, '--local-discovery', '--proxy-discovery']);
    expect(await child.ended).toBe(2);
    expect(child.stderr).toContain('--local-discovery and --proxy-discovery exclude each other');
  });
});
