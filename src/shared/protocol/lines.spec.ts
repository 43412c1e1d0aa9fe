import { LineReader, ProtocolError } from './lines.js';
import { MAX_LINE_BYTES } from './protocol.js';

describe('LineReader', () => {
  it('joins lines that are divided anywhere, also within a character', () => {
    const text = Buffer.from('{"a":"ü€"}\n\nzweite\nRest');
    for (let cut = 0; cut <= text.length; cut++) {
      const reader = new LineReader();
      const lines = [...reader.push(text.subarray(0, cut)), ...reader.push(text.subarray(cut))];
      expect(lines).toEqual(['{"a":"ü€"}', '', 'zweite']);
      expect(reader.isWithinLine).toBe(true);
    }
  });

  it('rejects a line that is too long', () => {
    const reader = new LineReader();
    reader.push(Buffer.alloc(MAX_LINE_BYTES));
    expect(() => reader.push(Buffer.alloc(1))).toThrow(ProtocolError);
  });
});
