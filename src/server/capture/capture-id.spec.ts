import { ADJECTIVES, ANIMALS, COLOURS, releaseCaptureId, takeCaptureId } from './capture-id.js';

describe('Capture ids', () => {
  it('are three words', () => {
    const id = takeCaptureId();
    expect(id).toMatch(/^[a-z]+-[a-z]+-[a-z]+$/);
    releaseCaptureId(id);
  });

  it('are unique among running captures', () => {
    const ids = Array.from({ length: 20_000 }, takeCaptureId);
    expect(new Set(ids).size).toBe(ids.length);
    ids.forEach(releaseCaptureId);
  });

  it('rarely repeat: there are more than a million', () => {
    expect(ADJECTIVES.length * COLOURS.length * ANIMALS.length).toBeGreaterThan(1_000_000);
    const words = [...ADJECTIVES, ...COLOURS, ...ANIMALS];
    expect(new Set(words).size).toBe(words.length);
    expect(words.filter((word) => !/^[a-z]{2,10}$/.test(word))).toEqual([]);
  });
});
