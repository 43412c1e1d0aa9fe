import { jest } from '@jest/globals';
import { EventEmitter } from 'node:events';
import type { WebSocket } from 'ws';
import { startHeartbeat } from './heartbeat.js';

class FakeClient extends EventEmitter {
  readonly OPEN = 1;
  readyState = 1;
  bufferedAmount = 0;
  readonly ping = jest.fn();
  readonly terminate = jest.fn();
}

describe('The heartbeat of a websocket', () => {
  let client: FakeClient;

  beforeEach(() => {
    jest.useFakeTimers();
    client = new FakeClient();
    startHeartbeat(client as unknown as WebSocket, 1000);
  });
  afterEach(() => {
    client.emit('close');
    expect(jest.getTimerCount()).toBe(0);
    jest.useRealTimers();
  });

  it('pings a client that answers for as long as it lives', () => {
    client.ping.mockImplementation(() => client.emit('pong'));
    jest.advanceTimersByTime(20_000);
    expect(client.ping).toHaveBeenCalledTimes(20);
    expect(client.terminate).not.toHaveBeenCalled();
  });

  it('gives up a client that answers no more', () => {
    jest.advanceTimersByTime(5000);
    expect(client.ping).toHaveBeenCalledTimes(4);
    expect(client.terminate).toHaveBeenCalled();
  });

  it('leaves a client alone that is behind in reading', () => {
    client.bufferedAmount = 1;
    jest.advanceTimersByTime(60_000);
    expect(client.ping).not.toHaveBeenCalled();
    expect(client.terminate).not.toHaveBeenCalled();
  });
});
