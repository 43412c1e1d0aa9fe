import { jest } from '@jest/globals';
import type { LogFormat } from '../shared/logging/log-line.js';
import type { LogRecord } from '../shared/logging/log-line.js';
import { ServiceLogger } from './service-logger.js';

describe('The log of the server', () => {
  let text: string;
  beforeEach(() => {
    jest.useFakeTimers({ now: Date.UTC(2026, 10, 23) });
    text = '';
    const write = (chunk: string | Uint8Array) => ((text += String(chunk)), true);
    jest.spyOn(process.stderr, 'write').mockImplementation(write);
  });
  afterEach(() => {
    jest.useRealTimers();
    jest.restoreAllMocks();
  });

  const lines = () => text.split('\n').slice(0, -1);
  const records = () => lines().map((line) => JSON.parse(line) as LogRecord);
  const loggerFor = (format: LogFormat, debug = false) => new ServiceLogger({ format, debug });

  it('writes a line of JSON per event, with its source and all fields', () => {
    loggerFor('json').log({ message: 'capture started', capture: 'brave-amber-otter', netns: 5 }, 'Capture');
    expect(records()).toEqual([
      {
        level: 'info',
        time: '2026-11-23T00:00:00.000Z',
        role: 'server',
        pid: process.pid,
        context: 'Capture',
        message: 'capture started',
        capture: 'brave-amber-otter',
        netns: 5,
      },
    ]);
  });

  it('writes a line of text per event, for people', () => {
    loggerFor('text').warn({ message: 'capture refused', code: 4400, reason: 'no "netns"' }, 'Capture');
    expect(text).toBe(
      `2026-11-23T00:00:00.000Z WARN  server ${process.pid} Capture: capture refused code=4400 reason="no \\"netns\\""\n`,
    );
  });

  it.each<LogFormat>(['text', 'json'])(
    'in %s escapes what would control a terminal or forge a line',
    (format) => {
      const hostile = 'x\n2026-11-23 \u001b[31m\u009b\u202e\u2028\0';
      const logger = loggerFor(format);
      logger.log({ message: `said ${hostile}`, reason: hostile, headers: { [hostile]: hostile } }, 'Capture');
      logger.error(new Error(hostile), 'Capture');
      logger.log(hostile, 'Capture');
      expect(lines()).toHaveLength(3);
      expect(text).not.toMatch(/[^\P{C}\n]|[\u2028\u2029]/u);
    },
  );

  it.each<LogFormat>(['text', 'json'])('in %s cuts long text', (format) => {
    loggerFor(format).log({ message: 'm'.repeat(100_000), filter: 'f'.repeat(100_000) });
    expect(text.length).toBeLessThan(5_000);
  });

  it('writes errors with their stacks in one line', () => {
    loggerFor('json').error(new Error('failure'), 'Capture');
    expect(records()).toMatchObject([
      {
        level: 'error',
        message: 'failure',
        error: expect.stringMatching(/^Error: failure\n +at /) as string,
      },
    ]);
  });

  it('limits a failure that occurs a thousand times a second, and reports how often it occurred', () => {
    const logger = loggerFor('json');
    for (let count = 0; count < 1000; count++) {
      const fields = {
        capture: `capture-${count}`,
        code: 4400,
        reason: `no "x${count}"`,
        client: `10.0.0.${count}`,
      };
      logger.warn({ message: 'capture refused', ...fields }, 'Capture');
    }
    expect(lines()).toHaveLength(20);
    jest.advanceTimersByTime(10_000);
    expect(records().at(-1)?.message).toContain('980 more in 10 s like: Capture: capture refused code=4400');
  });

  it('counts failures with different reasons separately', () => {
    const logger = loggerFor('json');
    const refuse = (reason: string) =>
      logger.warn({ message: 'capture refused', code: 4400, reason }, 'Capture');
    for (let count = 0; count < 1000; count++) refuse(`netns must be a number, not "${count}"`);
    refuse('nif is empty');
    expect(lines()).toHaveLength(21);
    expect(records().at(-1)).toMatchObject({ reason: 'nif is empty' });
  });

  it('limits errors with stacks, too', () => {
    const logger = loggerFor('text');
    for (let count = 0; count < 1000; count++) logger.error(new Error(`failure ${count}`), 'Capture');
    expect(lines().length).toBeLessThan(50);
  });

  it('does not limit hundreds of captures that start at once', () => {
    const logger = loggerFor('text');
    for (let count = 0; count < 256; count++)
      logger.log({ message: 'capture started', netns: count }, 'Capture');
    expect(lines()).toHaveLength(256);
  });

  it('does not limit the lines of requests', () => {
    const logger = loggerFor('text');
    for (let count = 0; count < 1000; count++) logger.log({ message: 'request', client: count }, 'Request');
    expect(lines()).toHaveLength(1000);
  });

  it('shows debug messages only when debugging', () => {
    loggerFor('text').debug('detail', 'Capture');
    expect(lines()).toHaveLength(0);
    loggerFor('text', true).debug('detail', 'Capture');
    expect(lines()).toHaveLength(1);
  });
});
