import { serverSentEvents, type ServerSentEvent } from './server-sent-events.js';

const STREAM =
  'retry: 2000\n\nevent: snapshot\nid: a-1\ndata: {"x": 1}\n\n: heartbeat\n\ndata:2\n\nevent: removed\ndata';

async function* inPiecesOf(size: number): AsyncGenerator<Uint8Array> {
  const bytes = new TextEncoder().encode(STREAM);
  for (let offset = 0; offset < bytes.length; offset += size) {
    yield await Promise.resolve(bytes.subarray(offset, offset + size));
  }
}

describe('Server-sent events', () => {
  it.each([1, 7, STREAM.length])(
    'are found in pieces of %d bytes, as far as they are complete',
    async (size) => {
      const events: ServerSentEvent[] = [];
      for await (const event of serverSentEvents(inPiecesOf(size))) events.push(event);
      expect(events).toEqual([
        { event: 'snapshot', data: '{"x": 1}', id: 'a-1' },
        { event: 'message', data: '2', id: '' },
      ]);
    },
  );
});
