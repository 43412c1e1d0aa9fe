import type { ClientRequest } from 'node:http';
import type { Socket } from 'node:net';

/** Websockets know no half-closed connections: who has sent its end gets what is under way, and that is it. */
const LINGER_MS = 10_000;

/**
 * Gives a handshake up when its client goes away. The socket must be read to notice, but what a hasty client has sent
 * already has to stay in it, for the websocket that it may become.
 */
export function abandonWithClient(handshake: ClientRequest, client: Socket): void {
  const lookForEnd = (): void => {
    // At the end of the stream, with nothing left to give, a read is what makes it say so.
    if (client.readableLength === 0) client.read();
  };
  const giveUp = () => handshake.destroy();
  const answered = (): void => {
    client.off('readable', lookForEnd).off('end', giveUp).off('close', giveUp);
  };
  client.on('readable', lookForEnd).once('end', giveUp).once('close', giveUp);
  handshake.once('response', answered).once('upgrade', answered).once('close', answered);
}

/** Ends each of the two connections with the other, after what it was still to deliver. Their pipes do not. */
export function endTogether(one: Socket, other: Socket): void {
  endWith(one, other);
  endWith(other, one);
}

function endWith(follower: Socket, leader: Socket): void {
  leader.once('end', () => {
    const linger = setTimeout(() => leader.destroy(), LINGER_MS).unref();
    leader.once('close', () => clearTimeout(linger));
  });
  leader.once('close', (broken) => {
    if (broken) follower.destroy();
    else follower.destroySoon();
    const linger = setTimeout(() => follower.destroy(), LINGER_MS).unref();
    follower.once('close', () => clearTimeout(linger));
  });
}
