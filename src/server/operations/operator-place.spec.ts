import { ServiceConfig } from '../config/service.config.js';
import { operatorPlace } from './operator-place.js';

const SAME = { kind: 'same-port' };

describe('The place of the paths for operators', () => {
  it.each([
    ['same', undefined, SAME],
    ['off', undefined, { kind: 'nowhere' }],
    ['9001', undefined, { kind: 'own-port', port: 9001, host: '10.0.0.1' }],
    ['9001', '127.0.0.1', { kind: 'own-port', port: 9001, host: '127.0.0.1' }],
    ['5001', undefined, SAME],
    ['5001', '127.0.0.1', { kind: 'own-port', port: 5001, host: '127.0.0.1' }],
  ])('--operator-port %s and --operator-host %s', (operatorPort, operatorHost, place) => {
    const config = { port: 5001, host: '10.0.0.1', operatorPort, ...(operatorHost && { operatorHost }) };
    expect(operatorPlace(Object.assign(new ServiceConfig(), config))).toEqual(place);
  });

  it('is a free port of its own where both ports are 0', () => {
    const config = Object.assign(new ServiceConfig(), { port: 0, operatorPort: '0' });
    expect(operatorPlace(config)).toMatchObject({ kind: 'own-port', port: 0 });
  });
});
