import { parseLinkMessages } from './rtnetlink.js';

const NEWLINK = 16;
const DELLINK = 17;
const DONE = 3;
const ERROR = 2;
const AF_BRIDGE = 7;
const DUMP_INTR = 0x10;

function message(type: number, payload: Buffer, flags = 0): Buffer {
  const header = Buffer.alloc(16);
  header.writeUInt32LE(16 + payload.length, 0);
  header.writeUInt16LE(type, 4);
  header.writeUInt16LE(flags, 6);
  return Buffer.concat([header, payload, Buffer.alloc(-payload.length & 3)]);
}

function link(index: number, name: string, up: boolean, family = 0): Buffer {
  const fixed = Buffer.alloc(16);
  fixed.writeUInt8(family, 0);
  fixed.writeInt32LE(index, 4);
  fixed.writeUInt32LE(up ? 1 : 0, 8);
  return Buffer.concat([
    fixed,
    attribute(13, 'x'),
    attribute(3, `${name}\0`),
    size(4, 1_500),
    size(41, 65_536),
  ]);
}

function size(type: number, bytes: number): Buffer {
  const value = Buffer.alloc(8);
  value.writeUInt16LE(8, 0);
  value.writeUInt16LE(type, 2);
  value.writeUInt32LE(bytes, 4);
  return value;
}

function attribute(type: number, value: string): Buffer {
  const text = Buffer.from(value);
  const header = Buffer.alloc(4);
  header.writeUInt16LE(4 + text.length, 0);
  header.writeUInt16LE(type, 2);
  return Buffer.concat([header, text, Buffer.alloc(-text.length & 3)]);
}

describe('parseLinkMessages', () => {
  it('reports that a list may be incomplete', () => {
    const datagram = message(NEWLINK, link(1, 'lo', true), DUMP_INTR);
    expect([...parseLinkMessages(datagram)].map(({ type }) => type)).toEqual(['inconsistent', 'present']);
  });

  it('reads several messages of one datagram', () => {
    const datagram = Buffer.concat([
      message(NEWLINK, link(1, 'lo', true)),
      message(NEWLINK, link(7, 'eth0,é', false)),
      message(DELLINK, link(9, 'gone', false)),
      message(DONE, Buffer.alloc(4)),
    ]);
    expect([...parseLinkMessages(datagram)]).toEqual([
      { type: 'present', interface: { index: 1, name: 'lo', up: true, maxPacketBytes: 65_536 } },
      { type: 'present', interface: { index: 7, name: 'eth0,é', up: false, maxPacketBytes: 65_536 } },
      { type: 'gone', index: 9 },
      { type: 'dump-done' },
    ]);
  });

  it('does not report an interface that leaves a bridge as gone', () => {
    const datagram = Buffer.concat([
      message(DELLINK, link(9, 'port', true, AF_BRIDGE)),
      message(NEWLINK, link(9, 'port', true, AF_BRIDGE)),
    ]);
    expect([...parseLinkMessages(datagram)]).toEqual([]);
  });

  it('reports an error, and ignores an acknowledgement', () => {
    const refused = Buffer.alloc(20);
    refused.writeInt32LE(-1, 0);
    const datagram = Buffer.concat([message(ERROR, Buffer.alloc(20)), message(ERROR, refused)]);
    expect([...parseLinkMessages(datagram)]).toEqual([{ type: 'failed', errno: 1 }]);
  });

  it('reports that a list could not be completed', () => {
    const incomplete = Buffer.alloc(4);
    incomplete.writeInt32LE(-90, 0);
    expect([...parseLinkMessages(message(DONE, incomplete))]).toEqual([{ type: 'failed', errno: 90 }]);
  });

  it('stops at a truncated message', () => {
    const whole = message(NEWLINK, link(1, 'lo', true));
    for (let length = 0; length < whole.length; length++) {
      expect([...parseLinkMessages(whole.subarray(0, length))]).toEqual([]);
    }
  });
});
