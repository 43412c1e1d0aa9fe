import { Bystander } from '../kit/bystander.js';
import { eventually } from '../kit/eventually.js';
import { handshake, RawConnection } from '../kit/raw-connection.js';
import { describeAsRoot } from '../kit/root.js';
import { Service } from '../kit/service.js';
import { sendPings } from './attacks.js';

const FLOODING_CLIENTS = 20;
const RATE = 15_000;

describeAsRoot('Clients that send pings without end and do not read', () => {
  it('are closed, and cost the capture of another client no packet', async () => {
    await using service = await Service.start(['--max-captures-per-client', '100']);
    await using bystander = await Bystander.join(service, RATE);
    const target = `/capture?netns=${bystander.netns}&nif=eth1&filter=port+9`;
    const clients = await Promise.all(
      Array.from({ length: FLOODING_CLIENTS }, () => RawConnection.upgraded(service.port, handshake(target))),
    );
    for (const client of clients) sendPings(client);
    await eventually('the end of all floods', () => clients.every(({ socket }) => socket.destroyed), 30_000);
    expect(await bystander.leave()).toMatchObject({ missing: 0, reported: 0, disorder: 0 });
    expect(service.log.match(/"cause":"client-floods"/g)).toHaveLength(FLOODING_CLIENTS);
  });
});
