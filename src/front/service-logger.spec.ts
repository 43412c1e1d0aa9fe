import { jest } from '@jest/globals';
import { ServiceLogger } from './service-logger.js';

describe('The log of the service', () => {
  let text: string;
  beforeEach(() => {
    jest.useFakeTimers();
    text = '';
    const write = (chunk: string | Uint8Array) => ((text += String(chunk)), true);
    jest.spyOn(process.stdout, 'write').mockImplementation(write);
    jest.spyOn(process.stderr, 'write').mockImplementation(write);
  });
  afterEach(() => {
    jest.useRealTimers();
    jest.restoreAllMocks();
  });

  const lines = () => text.split('\n').length - 1;

  it('tells a failure that comes a thousand times a second a few times, and how often it was', () => {
    const logger = new ServiceLogger(false);
    for (let count = 0; count < 1000; count++)
      logger.warn(`capture ${count} ended: 4400 "x${count}"`, 'Capture');
    expect(lines()).toBe(20);
    jest.advanceTimersByTime(10_000);
    expect(text).toContain('980 more in 10 s like: Capture capture 0 ended');
  });

  it('holds back errors with their stacks, too', () => {
    const logger = new ServiceLogger(false);
    for (let count = 0; count < 1000; count++) logger.error(new Error(`failure ${count}`), 'Capture');
    expect(text.match(/Error: failure/g)?.length).toBeLessThan(50);
  });

  it('lets hundreds of captures begin at once', () => {
    const logger = new ServiceLogger(false);
    for (let count = 0; count < 256; count++) logger.log(`capture ${count} started`, 'Capture');
    expect(lines()).toBe(256);
  });

  it('gives a line per request to who wants that', () => {
    const logger = new ServiceLogger(false);
    for (let count = 0; count < 1000; count++) logger.log(`GET "/" from ${count}`, 'Request');
    expect(lines()).toBe(1000);
  });

  it('shows debug messages only when debugging', () => {
    new ServiceLogger(false).debug('detail', 'Capture');
    expect(lines()).toBe(0);
    new ServiceLogger(true).debug('detail', 'Capture');
    expect(lines()).toBe(1);
  });
});
