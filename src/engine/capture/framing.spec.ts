import { websocketHeader } from './framing.js';

describe('websocketHeader', () => {
  it.each([
    [1, [0x82, 1]],
    [125, [0x82, 125]],
    [126, [0x82, 126, 0, 126]],
    [0xffff, [0x82, 126, 0xff, 0xff]],
    [0x1_0000, [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]],
  ])('is the shortest for %d bytes', (payloadBytes, header) => {
    expect([...websocketHeader(payloadBytes)]).toEqual(header);
  });
});
