import { jest } from '@jest/globals';
import { openSync } from 'node:fs';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { PLAIN_SPEC } from '../../../test/fixtures/capture-spec.js';
import { duplicate, openRouteNetlink } from '../../shared/linux/libc.js';
import { descriptorOf } from '../../shared/socket-descriptor.js';
import type { Compiler } from '../filter/filter-compiler.js';
import type { HolderWatch } from '../opener/holder-watch.js';
import { NamespaceFinder } from '../opener/namespace-finder.js';
import { OpenerError, type Opener } from '../opener/opener.js';
import { Capture } from './capture.js';
import { OutputSocket } from './output-socket.js';
import { RingBudget } from './ring-budget.js';

/** A namespace with one interface, which cannot be opened. */
function openerThatFails(code: string, onOpening: () => void = () => undefined): Opener {
  const run = (task: string): Promise<unknown> => {
    if (task === 'openNamespace') {
      return Promise.resolve({
        fd: openSync('/proc/self/ns/net', 'r'),
        holder: {},
        list: {
          fd: openRouteNetlink(0),
          interfaces: [{ index: 1, name: 'eth0', up: true, maxPacketBytes: 1_500 }],
          isConsistent: true,
        },
      });
    }
    onOpening();
    return Promise.reject(new OpenerError(code, `the call failed: ${code}`));
  };
  return { run } as unknown as Opener;
}

describe('Capture', () => {
  let ours: Socket;
  let peer: Socket;
  let targetEnds: () => void;
  const observer = { onEnd: jest.fn(), onBlocked: jest.fn(), onMemberLeft: jest.fn() };

  beforeEach(async () => {
    jest.clearAllMocks();
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const accepted = once(server, 'connection');
    ours = connect((server.address() as AddressInfo).port, '127.0.0.1');
    [peer] = (await accepted) as [Socket];
    server.close();
  });
  afterEach(() => {
    ours.destroy();
    peer.destroy();
  });

  async function open(opener: Opener, signal = new AbortController().signal): Promise<Capture> {
    const rings = new RingBudget().admit();
    if (!rings) throw new Error('no ring memory');
    const holderWatch = {
      watch: (_: unknown, onEnd: () => void) => {
        targetEnds = onEnd;
        return () => undefined;
      },
    };
    return await Capture.open(
      PLAIN_SPEC,
      new OutputSocket(duplicate(descriptorOf(ours) ?? -1), 'websocket', true),
      rings,
      {
        opener,
        finder: new NamespaceFinder(opener, opener),
        holderWatch: holderWatch as unknown as HolderWatch,
        filterCompiler: {} as Compiler,
        packetMethod: 'ring',
      },
      observer,
      signal,
    );
  }

  it.each(['ENODEV', 'ENETDOWN', 'ENXIO'])(
    'begins although its interface goes while it is being opened (%s), and ends with its target',
    async (code) => {
      const capture = await open(openerThatFails(code));
      expect(capture.interfaceCount).toBe(0);
      capture.deliver();
      targetEnds();
      expect(observer.onEnd).toHaveBeenCalledWith(expect.objectContaining({ code: 'target-ended' }));
    },
  );

  it('reports the end of a target that ends while an interface is being opened', async () => {
    await open(openerThatFails('EIO', () => targetEnds()));
    expect(observer.onEnd).toHaveBeenCalledTimes(1);
    expect(observer.onEnd).toHaveBeenCalledWith(expect.objectContaining({ code: 'target-ended' }));
  });

  it('does not begin when its interface cannot be opened for another reason', async () => {
    await expect(open(openerThatFails('EIO'))).rejects.toThrow('EIO');
    expect(observer.onEnd).not.toHaveBeenCalled();
  });
});
