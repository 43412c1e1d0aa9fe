import { ServiceConfig } from '../config/service.config.js';
import { operationsOptions } from './operator-port.js';

const SAME = { kind: 'same' };

describe('The address of the paths for operators', () => {
  it.each([
    ['same', undefined, SAME],
    ['off', undefined, { kind: 'off' }],
    ['9001', undefined, { kind: 'own', port: 9001, host: '10.0.0.1' }],
    ['9001', '127.0.0.1', { kind: 'own', port: 9001, host: '127.0.0.1' }],
    ['5001', undefined, SAME],
    ['5001', '127.0.0.1', { kind: 'own', port: 5001, host: '127.0.0.1' }],
  ])('--operator-port %s and --operator-host %s', (operatorPort, operatorHost, address) => {
    const config = { port: 5001, host: '10.0.0.1', operatorPort, ...(operatorHost && { operatorHost }) };
    expect(operationsOptions(Object.assign(new ServiceConfig(), config)).operatorAddress).toEqual(address);
  });

  it('is a separate free port if both ports are 0', () => {
    const config = Object.assign(new ServiceConfig(), { port: 0, operatorPort: '0' });
    expect(operationsOptions(config).operatorAddress).toMatchObject({ kind: 'own', port: 0 });
  });
});
