/**
 * Sends tagged packets into an interface of its network namespace, through packet(7) or a tun device. Node runs it
 * without a compiler, so that only erasable types are allowed.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { setImmediate as yieldToSignals, setTimeout as sleep } from 'node:timers/promises';
import koffi from 'koffi';
import type { PacketSpec } from '../packets.js';

const AF_PACKET = 17;
const SOCK_RAW = 3;
const SOCKADDR_LL_BYTES = 20;
const EAGAIN = 11;
const ENOBUFS = 105;
/** See linux/if_tun.h. */
const TUNSETIFF = 0x4004_54ca;
const IFREQ_BYTES = 40;
const IFREQ_FLAGS_OFFSET = 16;
const IFF_TUN_WITHOUT_PACKET_INFORMATION = 0x1001;

const ETHERTYPE_IPV4 = 0x0800;
const ETHERTYPE_VLAN = 0x8100;
const IPV4_HEADER_BYTES = 20;
const UDP_HEADER_BYTES = 8;
const BURST = 64;

const libc = koffi.load('libc.so.6');
const socket = libc.func('int socket(int domain, int type, int protocol)') as (
  domain: number,
  type: number,
  protocol: number,
) => number;
const bind = libc.func('int bind(int fd, const uint8_t *address, uint32_t bytes)') as (
  fd: number,
  address: Buffer,
  bytes: number,
) => number;
const send = libc.func('long send(int fd, const uint8_t *data, size_t bytes, int flags)') as (
  fd: number,
  data: Buffer,
  bytes: number,
  flags: number,
) => number;
const ioctl = libc.func('int ioctl(int fd, unsigned long request, uint8_t *argument)') as (
  fd: number,
  request: number,
  argument: Buffer,
) => number;
const if_nametoindex = libc.func('uint32_t if_nametoindex(const char *name)') as (name: string) => number;

type Transmit = (packet: Buffer) => void;

function check(result: number, call: string): number {
  if (result < 0) {
    throw new Error(`${call}: errno ${koffi.errno()}`);
  }
  return result;
}

function openPacketSocket(name: string): Transmit {
  const index = if_nametoindex(name);
  if (index === 0) {
    throw new Error(`no interface ${name}`);
  }
  const fd = check(socket(AF_PACKET, SOCK_RAW, 0), 'socket');
  const address = Buffer.alloc(SOCKADDR_LL_BYTES);
  address.writeUInt16LE(AF_PACKET, 0);
  address.writeInt32LE(index, 4);
  check(bind(fd, address, address.length), 'bind');
  return (packet) => {
    // When the queue of the device is full, send(2) is retried until it accepts the packet.
    while (send(fd, packet, packet.length, 0) < 0) {
      if (![EAGAIN, ENOBUFS].includes(koffi.errno())) {
        throw new Error(`send: errno ${koffi.errno()}, ${packet.length} bytes`);
      }
    }
  };
}

function openTun(name: string): Transmit {
  const fd = openSync('/dev/net/tun', 'r+');
  process.on('exit', () => closeSync(fd));
  const request = Buffer.alloc(IFREQ_BYTES);
  request.write(name);
  request.writeUInt16LE(IFF_TUN_WITHOUT_PACKET_INFORMATION, IFREQ_FLAGS_OFFSET);
  check(ioctl(fd, TUNSETIFF, request), 'TUNSETIFF');
  return (packet) => void writeSync(fd, packet);
}

function linkHeader(spec: PacketSpec, vlan: number): Buffer {
  if (spec.tun) {
    return Buffer.alloc(0);
  }
  const destination = (spec.destinationMac ?? 'ff:ff:ff:ff:ff:ff').replaceAll(':', '');
  const tag = vlan ? uint16(ETHERTYPE_VLAN, vlan) : Buffer.alloc(0);
  return Buffer.concat([Buffer.from(`${destination}020000000001`, 'hex'), tag, uint16(ETHERTYPE_IPV4)]);
}

function uint16(...values: readonly number[]): Buffer {
  return Buffer.from(values.flatMap((value) => [value >> 8, value & 0xff]));
}

function ipv4Header(packetBytes: number): Buffer {
  const header = Buffer.alloc(IPV4_HEADER_BYTES);
  header.writeUInt8(0x45, 0);
  header.writeUInt16BE(packetBytes, 2);
  header.writeUInt8(64, 8);
  header.writeUInt8(17, 9);
  header.set([192, 0, 2, 1, 192, 0, 2, 2], 12);
  let sum = 0;
  for (let offset = 0; offset < header.length; offset += 2) {
    sum += header.readUInt16BE(offset);
  }
  sum = (sum & 0xffff) + (sum >> 16);
  header.writeUInt16BE(~sum & 0xffff, 10);
  return header;
}

function udpHeader(port: number, datagramBytes: number): Buffer {
  const withoutChecksum = 0;
  return uint16(40_000, port, datagramBytes, withoutChecksum);
}

/** One packet for each combination of size and VLAN; only its sequence number changes between transmissions. */
function makeTemplate(spec: PacketSpec, bytes: number, vlan: number) {
  const link = linkHeader(spec, vlan);
  const ipBytes = bytes - link.length;
  const headers = Buffer.concat([
    link,
    ipv4Header(ipBytes),
    udpHeader(spec.udpPort ?? 9, ipBytes - IPV4_HEADER_BYTES),
  ]);
  const packet = Buffer.alloc(bytes);
  for (let offset = headers.length; offset < bytes; offset += 1) {
    packet[offset] = (offset * 7) & 0xff;
  }
  packet.set(headers);
  const tagOffset = link.length + IPV4_HEADER_BYTES + UDP_HEADER_BYTES;
  packet.write('PFLX', tagOffset);
  packet.writeUInt32BE(spec.flow ?? 0, tagOffset + 4);
  return { packet, sequenceOffset: tagOffset + 8 };
}

async function main(): Promise<void> {
  const spec = JSON.parse(process.argv[2] ?? '{}') as PacketSpec;
  const { count = Infinity, sizes = [100], vlans = [0], ratePerSecond = Infinity, batch = Infinity } = spec;
  const transmit = spec.tun ? openTun(spec.interface) : openPacketSocket(spec.interface);
  const templates = vlans.flatMap((vlan) => sizes.map((size) => makeTemplate(spec, size, vlan)));
  let stopped = false;
  process.on('SIGTERM', () => (stopped = true));
  let allowed = batch;
  process.on('SIGUSR2', () => (allowed += batch));
  console.log('sending');

  const start = performance.now();
  let sent = 0;
  while (sent < count && !stopped) {
    const due = Math.min(count, allowed, ((performance.now() - start) / 1000) * ratePerSecond);
    for (let burst = 0; burst < BURST && sent < due; burst += 1, sent += 1) {
      const template = templates[sent % templates.length];
      template?.packet.writeUInt32BE(sent, template.sequenceOffset);
      transmit(template?.packet ?? Buffer.alloc(0));
    }
    await (sent < due ? yieldToSignals() : sleep(1));
  }
  console.log(`sent ${sent}`);
  process.exit(0);
}

await main();
