/** Runs the clients in a separate process, so that they and the benchmark do not delay each other. */
import type { ClientRequest } from './client-messages.js';
import { StreamClient } from './stream-client.js';
import { WallClock } from './wall-clock.js';

const clock = new WallClock();
const clients = new Map<number, StreamClient>();

process.on('message', (request: ClientRequest) => {
  if (request.type === 'open') {
    const { ids, url, everyLatency } = request;
    clock.synchronize();
    for (const id of ids) clients.set(id, new StreamClient(id, new URL(url), clock, everyLatency));
    return;
  }
  const chosen = request.ids.flatMap((id) => clients.get(id) ?? []);
  switch (request.type) {
    case 'report':
      process.send?.(chosen.map((client) => client.report(request.withLatencies)));
      return;
    case 'close':
      for (const client of chosen) {
        client.close();
        clients.delete(client.id);
      }
      return;
    case 'stall':
    case 'resume':
      for (const client of chosen) client[request.type]();
      return;
    default:
      request satisfies never;
  }
});
// The benchmark has ended.
process.on('disconnect', () => process.exit(0));
process.on('SIGINT', () => undefined);
process.send?.('ready');
