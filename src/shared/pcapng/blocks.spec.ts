import { readPcapng } from '../../../test/kit/pcapng.js';
import { interfaceDescriptionBlock, interfaceStatisticsBlock, sectionHeaderBlock } from './blocks.js';

describe('pcapng blocks', () => {
  it('contain the given section, interfaces and statistics', () => {
    const stream = Buffer.concat([
      sectionHeaderBlock(['---\n# capture target information\n', 'zweiter Kommentar: ü'], 'test'),
      interfaceDescriptionBlock({
        name: 'eth0,1',
        linkType: 101,
        snapshotLength: 262_144,
        filter: 'tcp port 80',
      }),
      interfaceDescriptionBlock({ name: 'lo', linkType: 1, snapshotLength: 262_144, filter: '' }),
      interfaceStatisticsBlock(1, 1_763_856_000_123, { received: 2 ** 40, dropped: 17 }),
    ]);
    const [section, first, second, statistics] = readPcapng(stream);
    expect(section).toMatchObject({
      length: -1n,
      comments: ['---\n# capture target information\n', 'zweiter Kommentar: ü'],
    });
    expect(first).toMatchObject({
      name: 'eth0,1',
      linkType: 101,
      filter: 'tcp port 80',
      timestampResolution: 9,
    });
    expect(second).toMatchObject({ name: 'lo', linkType: 1, filter: undefined });
    expect(statistics).toMatchObject({
      timestamp: 1_763_856_000_123_000_000n,
      received: 2n ** 40n,
      droppedBySystem: 17n,
    });
  });

  it('stay readable when a text is longer than an option can be', () => {
    const [section] = readPcapng(sectionHeaderBlock(['x'.repeat(70_000)], 'test'));
    expect(section).toMatchObject({ comments: ['x'.repeat(0xfffc)] });
  });
});
