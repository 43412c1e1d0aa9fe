import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import {
  ENHANCED_PACKET_BLOCK,
  INTERFACE_DESCRIPTION_BLOCK,
  readBlocks,
  SECTION_HEADER_BLOCK,
  sectionCommentsOf,
} from '../../../test/contracts/pcapng-blocks.js';
import { refusalPcapng, StreamEnding } from './reason-pcapng.js';

const REASON = 'no target named "grüße", sorry';

/** What a user of Wireshark gets to see; fails when tshark complains about the file. */
function tshark(stream: Buffer, ...options: string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'packetflix-'));
  try {
    const file = join(folder, 'stream.pcapng');
    writeFileSync(file, stream);
    return execFileSync('tshark', ['-r', file, ...options], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function block(type: number, body: Buffer): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt32LE(type, 0);
  header.writeUInt32LE(body.length + 12, 4);
  return Buffer.concat([header, body, header.subarray(4)]);
}

/** An Ethernet frame of 60 bytes on interface 0. */
function packet(): Buffer {
  const fields = Buffer.alloc(20);
  fields.writeUInt32LE(60, 12);
  fields.writeUInt32LE(60, 16);
  return block(ENHANCED_PACKET_BLOCK, Buffer.concat([fields, Buffer.alloc(60, 7)]));
}

function sectionHeader(): Buffer {
  return block(SECTION_HEADER_BLOCK, Buffer.from('4d3c2b1a01000000ffffffffffffffff', 'hex'));
}

function interfaceDescription(): Buffer {
  return block(INTERFACE_DESCRIPTION_BLOCK, Buffer.from('0100000000000000', 'hex'));
}

/** The ending of a stream that was sent in these chunks. */
function endingAfter(...chunks: Uint8Array[]): Buffer | undefined {
  const ending = new StreamEnding();
  for (const chunk of chunks) ending.push(chunk);
  return ending.blocks(REASON);
}

function typesOf(ending: Buffer | undefined): number[] | undefined {
  return ending && readBlocks(ending).map(({ type }) => type);
}

describe('refusalPcapng', () => {
  it('is a section, an interface and an empty packet', () => {
    const blocks = readBlocks(refusalPcapng(REASON));
    expect(blocks.map(({ type }) => type)).toEqual([
      SECTION_HEADER_BLOCK,
      INTERFACE_DESCRIPTION_BLOCK,
      ENHANCED_PACKET_BLOCK,
    ]);
    expect(sectionCommentsOf(blocks[0]!)).toEqual([REASON]);
  });

  it('shows the reason to users of Wireshark, in the packet and in the section', () => {
    const stream = refusalPcapng(REASON);
    expect(tshark(stream, '-V')).toContain(REASON);
    expect(
      tshark(stream, '-T', 'fields', '-e', 'frame.comment', '-e', 'frame.len', '-e', 'frame.interface_name'),
    ).toBe(`${REASON}\t0\tpacketflix\n`);
  });

  it('dates the packet to now', () => {
    const seconds = Number(tshark(refusalPcapng(REASON), '-T', 'fields', '-e', 'frame.time_epoch'));
    expect(Math.abs(seconds - Date.now() / 1000)).toBeLessThan(60);
  });

  it.each([0, 1, 2, 3, 4, 5])('pads a reason of %i bytes', (length) => {
    expect(sectionCommentsOf(readBlocks(refusalPcapng('x'.repeat(length)))[0]!)).toEqual([
      'x'.repeat(length),
    ]);
  });

  it('cuts an endless reason between two characters', () => {
    const [comment] = sectionCommentsOf(readBlocks(refusalPcapng('€'.repeat(100_000)))[0]!);
    expect(comment).toBe('€'.repeat(1365));
  });
});

describe('StreamEnding', () => {
  const chunks = [sectionHeader(), interfaceDescription(), packet(), interfaceDescription(), packet()];
  const stream = Buffer.concat(chunks);

  it('appends a packet with the reason to a running stream', () => {
    const begun = Buffer.concat([sectionHeader(), interfaceDescription(), packet()]);
    const ending = endingAfter(begun)!;
    expect(typesOf(ending)).toEqual([ENHANCED_PACKET_BLOCK]);
    const fields = ['-T', 'fields', '-e', 'frame.number', '-e', 'frame.comment'];
    expect(tshark(Buffer.concat([begun, ending]), ...fields)).toBe(`1\t\n2\t${REASON}\n`);
  });

  it.each([
    ['no interface', [sectionHeader()]],
    ['no interface since a new section', [stream, sectionHeader()]],
  ])('describes an interface first when the stream has %s', (_, sent) => {
    expect(typesOf(endingAfter(...sent))).toEqual([INTERFACE_DESCRIPTION_BLOCK, ENHANCED_PACKET_BLOCK]);
  });

  it('appends an interface and a packet to a stream without an interface', () => {
    const begun = sectionHeader();
    expect(tshark(Buffer.concat([begun, endingAfter(begun)!]), '-V')).toContain(REASON);
  });

  it('is a complete refusal when nothing was sent', () => {
    expect(tshark(endingAfter()!, '-V')).toContain(REASON);
  });

  it('appends blocks at block boundaries only, however the stream is divided', () => {
    const boundaries = new Set([0]);
    let end = 0;
    for (const chunk of chunks) boundaries.add((end += chunk.length));
    for (let cut = 0; cut <= stream.length; cut++) {
      const ending = new StreamEnding();
      ending.push(stream.subarray(0, cut));
      expect(ending.blocks(REASON) !== undefined).toBe(boundaries.has(cut));
      ending.push(stream.subarray(cut));
      expect(typesOf(ending.blocks(REASON))).toEqual([ENHANCED_PACKET_BLOCK]);
    }
  });

  it.each([1, 2, 3, 5, 7, 11, 64])('understands a stream in chunks of %i bytes', (size) => {
    const cut: Buffer[] = [];
    for (let at = 0; at < stream.length; at += size) cut.push(stream.subarray(at, at + size));
    expect(typesOf(endingAfter(...cut))).toEqual([ENHANCED_PACKET_BLOCK]);
  });

  it.each([
    ['text', Buffer.from('HTTP/1.1 200 OK\r\n\r\n')],
    ['a length of 0', Buffer.alloc(12)],
  ])('appends nothing after %s', (_, notPcapng) => {
    expect(endingAfter(notPcapng, stream)).toBeUndefined();
  });
});
