import { createSocket } from 'node:dgram';
import { parse } from 'yaml';
import { describeWithProxies, nginxRecipe, TlsProxy, WITH_PASSWORD } from '../proxy/kit/tls-proxy.js';
import { CaptureClient, type TlsRelay } from '../kit/capture-client.js';
import type { Packet } from '../kit/pcapng.js';
import { describeAsRoot } from '../kit/root.js';
import { freePort, netnsOfThisProcess, Service } from '../kit/service.js';

/** The network namespace of the service, the proxy and the clients, so that they capture each other's connections. */
const HERE = netnsOfThisProcess();
const MARKS = 20;

describeAsRoot('A capture of the interface that carries it', () => {
  let udpPort: number;
  beforeAll(async () => {
    udpPort = await freePort();
  });

  /** Captures the traffic of these ports and the marks on the loopback interface. */
  async function open(service: Service, ports: number[], through?: TlsRelay): Promise<CaptureClient> {
    const filter = [...ports.map((port) => `tcp port ${port}`), `udp dst port ${udpPort}`].join(' or ');
    const client = await CaptureClient.open(
      service,
      { netns: HERE, nif: 'lo', filter },
      { through, headers: WITH_PASSWORD },
    );
    await client.described('lo');
    return client;
  }

  /** Waits for several messages of the stream: if the service captured them, each would be part of the next one. */
  async function marksSeen(...clients: CaptureClient[]): Promise<void> {
    const isMark = (packet: Packet): boolean => packet.data.includes('a mark');
    for (let count = 1; count <= MARKS; count++) {
      await sendMark(udpPort);
      for (const client of clients) {
        await client.until('a mark', () => client.packets.filter(isMark).length >= count);
      }
    }
  }

  it('contains no packets of its own connection', async () => {
    await using service = await Service.start();
    await using client = await open(service, [service.port]);

    await marksSeen(client);

    expect(client.packets.map(protocolOf)).not.toContain('TCP');
    expect(parse(client.comments[1] ?? '')).toMatchObject({
      'excluded-connections': [
        { address: `127.0.0.1:${service.port}`, peer: `127.0.0.1:${client.ports.local}` },
      ],
    });
  });

  it('contains the connection of another capture and vice versa, unless the port of the service is excluded', async () => {
    await using service = await Service.start();
    await using one = await open(service, [service.port]);
    await using other = await open(service, [service.port]);
    await marksSeen(one, other);
    expect(one.packets.map(protocolOf)).toContain('TCP');

    const port = await freePort();
    await using excluding = await Service.start(['--exclude', String(port)], { port });
    await using quietOne = await open(excluding, [port]);
    await using quietOther = await open(excluding, [port]);
    await marksSeen(quietOne, quietOther);
    for (const { packets, comments } of [quietOne, quietOther]) {
      expect(packets.map(protocolOf)).not.toContain('TCP');
      expect(parse(comments[1] ?? '')).toMatchObject({ 'excluded-endpoints': [String(port)] });
    }
  });

  describeWithProxies('behind $proxy as TLS proxy', [nginxRecipe], () => {
    it.each([
      ['by its port', (port: number) => [String(port)]],
      ['by address and port', (port: number) => [`127.0.0.1:${port}`, `[::1]:${port}`]],
    ])('contains no packets that the proxy relays when the proxy is excluded %s', async (_, excluded) => {
      const port = await freePort();
      await using service = await Service.start(['--exclude', excluded(port).join()]);
      await using proxy = await TlsProxy.before(service.port, nginxRecipe, port);
      await using client = await open(service, [port, service.port], proxy.relay);

      await marksSeen(client);

      expect(client.packets.map(protocolOf)).not.toContain('TCP');
      expect(parse(client.comments[1] ?? '')).toMatchObject({ 'excluded-endpoints': excluded(port) });
    });

    it('contains the packets that the proxy relays otherwise', async () => {
      await using service = await Service.start();
      await using proxy = await TlsProxy.before(service.port, nginxRecipe);
      await using client = await open(service, [proxy.port], proxy.relay);

      await marksSeen(client);

      expect(client.packets.map(protocolOf)).toContain('TCP');
    });
  });
});

async function sendMark(port: number): Promise<void> {
  const socket = createSocket('udp4');
  await new Promise((resolve) => socket.send('a mark', port, '127.0.0.1', resolve));
  socket.close();
}

/** The protocol of an Ethernet packet, which is the link type of the loopback interface. */
function protocolOf({ data }: Packet): 'TCP' | 'UDP' | 'other' {
  const isIpv6 = data.readUInt16BE(12) === 0x86dd;
  const protocol = data.readUInt8(isIpv6 ? 20 : 23);
  return protocol === 6 ? 'TCP' : protocol === 17 ? 'UDP' : 'other';
}
