import fc from 'fast-check';
import { MAX_LINE_BYTES, PROTOCOL_VERSION } from '../../src/shared/protocol/protocol.js';
import type { CaptureSpec } from '../../src/shared/protocol/capture-spec.js';

/** Refers to a network namespace that cannot exist, so that even a valid spec opens nothing. */
export const SPEC: CaptureSpec = {
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
const id = fc.oneof(fc.constant('brave-amber-otter'), fc.string({ maxLength: 200 }), anyJson);

/** Invalid greetings, with or without a line feed. */
const invalidGreeting = fc.oneof(
  { weight: 60, arbitrary: bytes },
  { weight: 60, arbitrary: anyJson.map(text) },
  { weight: 30, arbitrary: anyJson.map((version) => text({ type: 'control', version: [version] })) },
  { weight: 30, arbitrary: anyJson.map((connection) => text({ type: 'capture', connection, spec: SPEC })) },
  { weight: 20, arbitrary: anyJson.map((type) => text({ type })) },
  { weight: 20, arbitrary: fc.constant('{"type":"control","version":') },
  { weight: 10, arbitrary: fc.constant(CONTROL_GREETING + CONTROL_GREETING) },
  // Rare because of their length.
  { weight: 1, arbitrary: tooLong },
);

/** A spec with one replaced attribute. */
const invalidSpec = fc
  .tuple(
    fc.constantFrom(...Object.keys(SPEC), 'reference.netns', 'reference.pid', 'reference.startTime'),
    fc.oneof(anyJson, fc.double(), fc.integer(), fc.constant('\0'), fc.constant('x'.repeat(5_000))),
  )
  .map(([path, value]) => {
    const [field = '', inner] = path.split('.');
    const part = inner === undefined ? value : { ...SPEC.reference, [inner]: value };
    return { ...SPEC, [field]: part };
  });

/** Requests that are invalid or refer to unknown captures. */
const invalidRequest = fc.oneof(
  { weight: 60, arbitrary: bytes },
  { weight: 60, arbitrary: anyJson.map(text) },
  { weight: 60, arbitrary: id.map((captureId) => text({ type: 'stop', captureId })) },
  { weight: 60, arbitrary: fc.tuple(id, anyJson).map(([id, type]) => text({ type, id, captureId: id })) },
  { weight: 30, arbitrary: anyJson.map((id) => text({ type: 'report', id: [id] })) },
  { weight: 10, arbitrary: fc.constant('{"__proto__":{"id":"1"},"type":"report","constructor":{"id":1}}') },
  { weight: 1, arbitrary: tooLong },
);

/** Invalid capture greetings for an existing control connection, whose name is inserted later. */
const invalidCapture = fc.oneof(
  { weight: 200, arbitrary: invalidSpec.map((spec) => captureGreeting(spec)) },
  { weight: 40, arbitrary: anyJson.map((spec) => captureGreeting(spec)) },
  // Unexpected data after the greeting.
  { weight: 60, arbitrary: bytes.map((payload) => `${captureGreeting(SPEC)}${payload}`) },
);

/** Placeholder for the name of the control connection in capture greetings. */
export const CONNECTION_NAME = '<connection>';

function captureGreeting(spec: unknown): string {
  return `${text({ type: 'capture', connection: CONNECTION_NAME, spec })}\n`;
}

function samples(messages: fc.Arbitrary<string>, count: number, seed: number): string[] {
  return fc.sample(messages, { numRuns: count, seed });
}

/** Generates `count` messages in total for the stages of a connection; the same seed gives the same messages. */
export function malformedMessages(
  count: number,
  seed: number,
): Record<'greeting' | 'control' | 'capture', string[]> {
  const third = Math.floor(count / 3);
  return {
    greeting: samples(invalidGreeting, third, seed),
    control: samples(invalidRequest, count - 2 * third, seed),
    capture: samples(invalidCapture, third, seed),
  };
}
