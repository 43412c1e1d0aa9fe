import { GhostwireServer, mobyshark } from '../fixtures/ghostwire-server.js';
import { Service } from '../kit/service.js';

/** A fake GhostWire whose answers a test defines, and a service that uses it. */
export interface ServiceWithDiscovery {
  readonly ghostwire: GhostwireServer;
  readonly service: Service;
}

/** One fake GhostWire and one service for all tests of a file. */
export function discoveryForAllTests(): { readonly current: ServiceWithDiscovery } {
  let discovery: ServiceWithDiscovery | undefined;
  beforeAll(async () => {
    const ghostwire = await new GhostwireServer(mobyshark([])).listen();
    discovery = { ghostwire, service: await serviceWithGhostwire(ghostwire.port) };
  });
  afterAll(async () => {
    await discovery?.service[Symbol.asyncDispose]();
    await discovery?.ghostwire.close();
  });
  return {
    get current() {
      if (!discovery) throw new Error('the service has not been started');
      return discovery;
    },
  };
}

export function serviceWithGhostwire(gwPort: number): Promise<Service> {
  return Service.start(['--discovery-service', '127.0.0.1', '--gw-port', String(gwPort)]);
}
