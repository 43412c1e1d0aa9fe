import { jest } from '@jest/globals';
import { Readiness } from './readiness.js';

describe('Readiness', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  it('reports the state of all parts', async () => {
    const readiness = new Readiness();
    expect(await readiness.report()).toEqual({ ready: true, parts: {} });
    readiness.add('engines', () => ({ ready: true, message: '4 of 4' }));
    readiness.add('printer', () => Promise.resolve({ ready: false, message: 'no paper' }));
    jest.advanceTimersByTime(1_001);
    expect(await readiness.report()).toEqual({
      ready: false,
      parts: {
        engines: { ready: true, message: '4 of 4' },
        printer: { ready: false, message: 'no paper' },
      },
    });
  });

  it('reports a part whose check fails as not ready', async () => {
    const readiness = new Readiness();
    readiness.add('printer', () => Promise.reject(new Error('on fire')));
    expect(await readiness.report()).toEqual({
      ready: false,
      parts: { printer: { ready: false, message: 'on fire' } },
    });
  });

  it('checks the parts at most once a second', async () => {
    const readiness = new Readiness();
    const check = jest.fn(() => ({ ready: true, message: 'here' }));
    readiness.add('printer', check);
    for (let count = 0; count < 100; count++) await readiness.report();
    expect(check).toHaveBeenCalledTimes(1);
    jest.advanceTimersByTime(1_001);
    await readiness.report();
    expect(check).toHaveBeenCalledTimes(2);
  });

  it('ends as soon as the service shuts down', async () => {
    const readiness = new Readiness();
    await readiness.report();
    readiness.onModuleDestroy();
    expect(await readiness.report()).toEqual({
      ready: false,
      parts: { service: { ready: false, message: 'shutting down' } },
    });
  });

  it('accepts one check per part', () => {
    const readiness = new Readiness();
    const check = () => ({ ready: true, message: '' });
    readiness.add('printer', check);
    expect(() => readiness.add('printer', check)).toThrow('printer already has a readiness check');
  });
});
