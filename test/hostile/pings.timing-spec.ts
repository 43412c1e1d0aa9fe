import { Bystander } from '../kit/bystander.js';
import { eventually } from '../kit/eventually.js';
import { clientFrame } from '../kit/frame-reader.js';
import { handshake, RawConnection } from '../kit/raw-connection.js';
import { describeAsRoot } from '../kit/root.js';
import { Service } from '../kit/service.js';

const FLOODING_CLIENTS = 20;
const RATE = 15_000;
/** Without limits it would be 83 %. A busy machine may delay the reader for longer than a ring lasts at this rate. */
const MAX_LOST_PERCENT = 5;
const PINGS = Buffer.concat(Array.from({ length: 1_000 }, () => clientFrame('ping', 'p'.repeat(100))));

describeAsRoot('Clients that send pings without end and do not read', () => {
  it(`are closed, and cost the capture of another client at most ${MAX_LOST_PERCENT} % of its packets`, async () => {
    await using service = await Service.start(['--max-captures-per-client', '100']);
    await using bystander = await Bystander.join(service, RATE);
    const target = `/capture?netns=${bystander.netns}&nif=eth1&filter=port+9`;
    const clients = await Promise.all(
      Array.from({ length: FLOODING_CLIENTS }, () => RawConnection.upgraded(service.port, handshake(target))),
    );
    for (const client of clients) flood(client);
    await eventually('the end of all floods', () => clients.every(({ socket }) => socket.destroyed), 30_000);
    const { sent, missing, reported, disorder } = await bystander.leave();
    console.info(`${missing} of ${sent} packets lost`);
    expect({ reported, disorder }).toEqual({ reported: missing, disorder: 0 });
    expect((100 * missing) / sent).toBeLessThan(MAX_LOST_PERCENT);
    expect(service.log.match(/"cause":"client-floods"/g)).toHaveLength(FLOODING_CLIENTS);
  });
});

/** Sends as fast as the service reads, until it cuts the connection. */
function flood({ socket }: RawConnection): void {
  socket.pause();
  const send = (): void => {
    while (!socket.destroyed && socket.write(PINGS)) continue;
  };
  socket.on('drain', send);
  send();
}
