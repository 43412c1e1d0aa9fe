import { randomInt } from 'node:crypto';
import { ADJECTIVES, ANIMALS, COLOURS } from './capture-id-words.js';

/** Of captures that run. */
const taken = new Set<string>();

/**
 * A name for a capture that people can tell each other, such as `brave-amber-otter`: it is in every log line of that
 * capture and in the second comment of its stream. No secret, and not taken by any other until `releaseCaptureId`.
 */
export function takeCaptureId(): string {
  for (;;) {
    const id = [ADJECTIVES, COLOURS, ANIMALS].map((words) => words[randomInt(words.length)]).join('-');
    if (taken.has(id)) continue;
    taken.add(id);
    return id;
  }
}

export function releaseCaptureId(id: string): void {
  taken.delete(id);
}
