import { jest } from '@jest/globals';
import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { FakeRuntime } from '../../../test/fixtures/fake-runtime.js';
import { RuntimeEvents } from './runtime-events.js';

describe('RuntimeEvents', () => {
  const onEvent = jest.fn();
  let events: RuntimeEvents;
  beforeEach(() => {
    onEvent.mockClear();
    events = new RuntimeEvents(onEvent);
  });
  afterEach(() => events.close());

  it('calls back for each event, and when the runtime ends the stream', async () => {
    let response: ServerResponse | undefined;
    await using runtime = await FakeRuntime.start((_, answer) => {
      response = answer;
      answer.flushHeaders();
    });
    for (let i = 0; i < 3; i++) events.listen('key', runtime.socketPath);
    await sleep(100);
    expect(runtime.requests).toEqual([expect.stringMatching(/^\/events\?filters=/)]);
    expect(onEvent).not.toHaveBeenCalled();
    response?.write('{"Action":"start"}\n');
    await sleep(50);
    expect(onEvent).toHaveBeenCalledTimes(1);
    response?.end();
    await sleep(50);
    expect(onEvent).toHaveBeenCalledTimes(2);
    events.listen('key', runtime.socketPath);
    await sleep(50);
    expect(runtime.requests).toHaveLength(2);
  });

  it('neither calls back nor asks again at once when the runtime refuses', async () => {
    await using runtime = await FakeRuntime.start((_, answer) => answer.writeHead(403).end('no'));
    for (let i = 0; i < 3; i++) {
      events.listen('key', runtime.socketPath);
      await sleep(50);
    }
    events.listen('nowhere', '/nowhere/docker.sock');
    await sleep(50);
    expect(runtime.requests).toHaveLength(1);
    expect(onEvent).not.toHaveBeenCalled();
  });

  it('is silent when it is closed', async () => {
    await using runtime = await FakeRuntime.start((_, answer) => answer.flushHeaders());
    events.listen('key', runtime.socketPath);
    await sleep(50);
    events.close();
    await sleep(50);
    expect(onEvent).not.toHaveBeenCalled();
  });
});
