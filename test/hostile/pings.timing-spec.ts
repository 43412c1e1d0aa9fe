import { Bystander } from '../kit/bystander.js';
import { handshake, RawConnection } from '../kit/raw-connection.js';
import { describeAsRoot } from '../kit/root.js';
import { Service } from '../kit/service.js';
import { flood } from './attacks.js';

const FLOODING_CLIENTS = 20;
const RATE = 15_000;
/** Without limits it would be 83 %. A busy machine may delay the reader for longer than a ring lasts at this rate. */
const MAX_LOST_PERCENT = 5;

describeAsRoot('Clients that send pings without end and do not read', () => {
  it(`are closed, and cost the capture of another client at most ${MAX_LOST_PERCENT} % of its packets`, async () => {
    await using service = await Service.start(['--max-captures-per-client', '100']);
    await using bystander = await Bystander.join(service, RATE);
    const target = `/capture?netns=${bystander.netns}&nif=eth1&filter=port+9`;
    const clients = await Promise.all(
      Array.from({ length: FLOODING_CLIENTS }, () => RawConnection.upgraded(service.port, handshake(target))),
    );
    await Promise.all(clients.map(flood));
    const { sent, missing, reported, disorder } = await bystander.leave();
    console.info(`${missing} of ${sent} packets lost`);
    expect({ reported, disorder }).toEqual({ reported: missing, disorder: 0 });
    expect((100 * missing) / sent).toBeLessThan(MAX_LOST_PERCENT);
    expect(service.log.match(/"cause":"client-floods"/g)).toHaveLength(FLOODING_CLIENTS);
  });
});
