import { GhostwireServer, mobyshark } from '../fixtures/ghostwire-server.js';
import { Service } from '../kit/service.js';

/** A GhostWire stand-in that lists what the test likes, and a service that asks it. */
export interface Asked {
  readonly ghostwire: GhostwireServer;
  readonly service: Service;
}

/** Both for all tests of a file. */
export function askedForAllTests(): { readonly current: Asked } {
  let asked: Asked | undefined;
  beforeAll(async () => {
    const ghostwire = await new GhostwireServer(mobyshark([])).listen();
    asked = { ghostwire, service: await serviceAsking(ghostwire.port) };
  });
  afterAll(async () => {
    await asked?.service[Symbol.asyncDispose]();
    await asked?.ghostwire.close();
  });
  return {
    get current() {
      if (!asked) throw new Error('the service has not been started');
      return asked;
    },
  };
}

export function serviceAsking(gwPort: number): Promise<Service> {
  return Service.start(['--discovery-service', '127.0.0.1', '--gw-port', String(gwPort)]);
}
