import { accepts, OTHER_ADDRESSES } from '../kit/addresses.js';
import { freePort, Service } from '../kit/service.js';

describe('The service', () => {
  it('is reachable at the loopback addresses only, its operator port included', async () => {
    const operatorPort = await freePort();
    await using service = await Service.start(['--operator-port', String(operatorPort)]);
    for (const port of [service.port, operatorPort]) {
      expect(await accepts(port, '127.0.0.1')).toBe(true);
      expect(await accepts(port, '::1')).toBe(true);
      for (const host of OTHER_ADDRESSES) expect(await accepts(port, host)).toBe(false);
    }
  });

  it('is reachable at all addresses with --host ::', async () => {
    await using service = await Service.start(['--host', '::']);
    for (const host of ['127.0.0.1', '::1', ...OTHER_ADDRESSES])
      expect(await accepts(service.port, host)).toBe(true);
  });
});
