import fc from 'fast-check';
import { MAX_LINE_BYTES, PROTOCOL_VERSION } from '../../src/shared/protocol/protocol.js';
import type { CaptureSpec } from '../../src/shared/protocol/capture-spec.js';

/** A namespace that cannot be there, so that whatever proves valid opens nothing. */
const ORDER: CaptureSpec = {
  captureId: 'brave-amber-otter',
  reference: { netns: 1, pid: 1, startTime: 1 },
  interfaces: ['eth0'],
  filter: 'tcp',
  promiscuous: true,
  sectionComments: ['comment'],
  excludedConnections: [],
  excludedEndpoints: [],
  snapshotLength: 65_535,
};

export const CONTROL_GREETING = `${JSON.stringify({ type: 'control', version: PROTOCOL_VERSION })}\n`;

const text = (value: unknown): string => JSON.stringify(value) ?? 'undefined';
const anyJson = fc.jsonValue({ maxDepth: 3 });
const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array).toString('latin1'));
const tooLong = fc.constant('x'.repeat(MAX_LINE_BYTES + 1));
const id = fc.oneof(fc.uuid(), fc.string({ maxLength: 200 }), anyJson);

/** What is no greeting, with or without the end of its line. */
const noGreeting = fc.oneof(
  { weight: 60, arbitrary: bytes },
  { weight: 60, arbitrary: anyJson.map(text) },
  { weight: 30, arbitrary: anyJson.map((version) => text({ type: 'control', version: [version] })) },
  { weight: 30, arbitrary: anyJson.map((other) => text({ type: 'data', id: [other] })) },
  { weight: 20, arbitrary: anyJson.map((type) => text({ type })) },
  { weight: 20, arbitrary: fc.constant('{"type":"control","version":') },
  { weight: 10, arbitrary: fc.constant(CONTROL_GREETING + CONTROL_GREETING) },
  // Not more of them: they are long.
  { weight: 1, arbitrary: tooLong },
);

/** An order one part of which is something else. */
const spoiltOrder = fc
  .tuple(
    fc.constantFrom(...Object.keys(ORDER), 'reference.netns', 'reference.pid', 'reference.startTime'),
    fc.oneof(anyJson, fc.double(), fc.integer(), fc.constant('\0'), fc.constant('x'.repeat(5_000))),
  )
  .map(([path, value]) => {
    const [field = '', inner] = path.split('.');
    const part = inner === undefined ? value : { ...ORDER.reference, [inner]: value };
    return { ...ORDER, [field]: part };
  });

/** What is no request, or none that can be granted. */
const noRequest = fc.oneof(
  { weight: 60, arbitrary: bytes },
  { weight: 60, arbitrary: anyJson.map(text) },
  {
    weight: 200,
    arbitrary: fc.tuple(id, spoiltOrder).map(([id, order]) => text({ type: 'start', id, order })),
  },
  { weight: 40, arbitrary: fc.tuple(id, anyJson).map(([id, order]) => text({ type: 'start', id, order })) },
  { weight: 30, arbitrary: id.map((id) => text({ type: 'stop', id })) },
  { weight: 30, arbitrary: fc.tuple(id, anyJson).map(([id, type]) => text({ type, id })) },
  { weight: 10, arbitrary: fc.constant('{"__proto__":{"id":"1"},"type":"start","constructor":{"id":1}}') },
  { weight: 1, arbitrary: tooLong },
);

/** The beginning of a data connection that nobody waits for, and something sent in the wrong direction. */
const noData = fc
  .tuple(fc.oneof(fc.uuid(), fc.string({ maxLength: 300 })), bytes)
  .map(([id, payload]) => `${text({ type: 'data', id })}\n${payload}`);

function samples(messages: fc.Arbitrary<string>, count: number, seed: number): string[] {
  return fc.sample(messages, { numRuns: count, seed });
}

/** So many messages for each stage; the same for the same seed. */
export function malformedMessages(
  count: number,
  seed: number,
): Record<'greeting' | 'control' | 'data', string[]> {
  const third = Math.floor(count / 3);
  return {
    greeting: samples(noGreeting, third, seed),
    control: samples(noRequest, count - 2 * third, seed),
    data: samples(noData, third, seed),
  };
}
