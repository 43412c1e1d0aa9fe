/** The process that plays the clients, apart from the benchmark, so that neither makes the other wait. */
import type { ClientRequest } from './messages.js';
import { StreamClient } from './stream-client.js';
import { WallClock } from './wall-clock.js';

const clock = new WallClock();
const clients = new Map<number, StreamClient>();

process.on('message', (request: ClientRequest) => {
  if (request.type === 'open') {
    const { ids, url, everyLatency } = request;
    clock.set();
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
// Nobody is left to count for.
process.on('disconnect', () => process.exit(0));
process.on('SIGINT', () => undefined);
process.send?.('ready');
