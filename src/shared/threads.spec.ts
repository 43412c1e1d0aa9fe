import { jest } from '@jest/globals';
import { exit, startThread } from './threads.js';

const script = (text: string): URL => new URL(`data:text/javascript,${encodeURIComponent(text)}`);

describe('A process that exits', () => {
  it.each([
    ['waits until its threads are loaded', `setTimeout(() => parentPort.postMessage('loaded'), 100)`],
    [
      'does not wait for a thread that fails to load',
      `setTimeout(() => { throw new Error('failed'); }, 100)`,
    ],
  ])('%s', async (_, text) => {
    const exited = Promise.withResolvers<unknown>();
    const processExit = jest
      .spyOn(process, 'exit')
      .mockImplementation((status) => exited.resolve(status) as never);
    const { worker, loaded } = startThread(
      script(`import { parentPort } from 'node:worker_threads'; ${text}`),
      'test',
    );
    worker.on('error', () => undefined);
    try {
      exit(3);
      expect(processExit).not.toHaveBeenCalled();
      await loaded;
      expect(await exited.promise).toBe(3);
    } finally {
      processExit.mockRestore();
      await worker.terminate();
    }
  });
});
