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
import { endingBlocks, PcapngProgress, refusalPcapng } from './reason-pcapng.js';

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

function progressAfter(...chunks: Uint8Array[]): PcapngProgress {
  const progress = new PcapngProgress();
  for (const chunk of chunks) progress.advance(chunk);
  return progress;
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

describe('endingBlocks', () => {
  it('appends a packet with the reason to a stream that runs', () => {
    const stream = Buffer.concat([sectionHeader(), interfaceDescription(), packet()]);
    const ending = endingBlocks(progressAfter(stream), REASON)!;
    expect(readBlocks(ending).map(({ type }) => type)).toEqual([ENHANCED_PACKET_BLOCK]);
    const comments = tshark(
      Buffer.concat([stream, ending]),
      '-T',
      'fields',
      '-e',
      'frame.number',
      '-e',
      'frame.comment',
    );
    expect(comments).toBe(`1\t\n2\t${REASON}\n`);
  });

  it('describes an interface first where the stream has none', () => {
    const stream = sectionHeader();
    const ending = endingBlocks(progressAfter(stream), REASON)!;
    expect(tshark(Buffer.concat([stream, ending]), '-V')).toContain(REASON);
  });

  it('is a whole refusal where nothing was sent yet', () => {
    expect(tshark(endingBlocks(progressAfter(), REASON)!, '-V')).toContain(REASON);
  });

  it('appends nothing within a block', () => {
    const stream = Buffer.concat([sectionHeader(), interfaceDescription(), packet()]);
    expect(endingBlocks(progressAfter(stream.subarray(0, -1)), REASON)).toBeUndefined();
  });
});

describe('PcapngProgress', () => {
  const pieces = [sectionHeader(), interfaceDescription(), packet(), interfaceDescription(), packet()];
  const stream = Buffer.concat(pieces);

  it('knows the block boundaries at every offset, however the stream is cut', () => {
    const boundaries = new Set([0]);
    let end = 0;
    for (const piece of pieces) boundaries.add((end += piece.length));
    for (let cut = 0; cut <= stream.length; cut++) {
      const progress = progressAfter(stream.subarray(0, cut));
      expect(progress.atBlockBoundary).toBe(boundaries.has(cut));
      progress.advance(stream.subarray(cut));
      expect(progress.atBlockBoundary).toBe(true);
      expect(progress.interfaceCount).toBe(2);
    }
  });

  it.each([1, 2, 3, 5, 7, 11, 64])('counts interfaces in pieces of %i bytes', (size) => {
    const progress = new PcapngProgress();
    for (let offset = 0; offset < stream.length; offset += size)
      progress.advance(stream.subarray(offset, offset + size));
    expect(progress).toMatchObject({ atBlockBoundary: true, sectionBegun: true, interfaceCount: 2 });
  });

  it('counts anew in a new section', () => {
    expect(progressAfter(stream, sectionHeader()).interfaceCount).toBe(0);
  });

  it.each([
    ['text', Buffer.from('HTTP/1.1 200 OK\r\n\r\n')],
    ['a length of 0', Buffer.alloc(12)],
  ])('never claims a block boundary after %s', (_title, nonsense) => {
    const progress = progressAfter(nonsense);
    progress.advance(stream);
    expect(progress.atBlockBoundary).toBe(false);
  });
});
