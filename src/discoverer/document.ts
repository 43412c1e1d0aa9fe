import type { Findings } from './target.js';

/** The findings as GhostWire's `/mobyshark` tells them: JSON, UTF-8, in a buffer of its own. */
export function toDocument({ targets, problems }: Findings): Uint8Array<ArrayBuffer> {
  // GhostWire's clients know nothing of problems, and ignore what they do not know.
  const metadata = problems.length > 0 ? { problems } : {};
  return new TextEncoder().encode(JSON.stringify({ metadata, containers: targets }));
}
