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

/** Not a greeting, with or without the end of its line. */
const noGreeting = fc.oneof(
  { weight: 60, arbitrary: bytes },
  { weight: 60, arbitrary: anyJson.map(text) },
  { weight: 30, arbitrary: anyJson.map((version) => text({ type: 'control', version: [version] })) },
  { weight: 30, arbitrary: anyJson.map((connection) => text({ type: 'capture', connection, spec: SPEC })) },
  { weight: 20, arbitrary: anyJson.map((type) => text({ type })) },
  { weight: 20, arbitrary: fc.constant('{"type":"control","version":') },
  { weight: 10, arbitrary: fc.constant(CONTROL_GREETING + CONTROL_GREETING) },
  // Only few, because they are long.
  { weight: 1, arbitrary: tooLong },
);

/** A spec in which one attribute is replaced. */
const spoiltSpec = fc
  .tuple(
    fc.constantFrom(...Object.keys(SPEC), 'reference.netns', 'reference.pid', 'reference.startTime'),
    fc.oneof(anyJson, fc.double(), fc.integer(), fc.constant('\0'), fc.constant('x'.repeat(5_000))),
  )
  .map(([path, value]) => {
    const [field = '', inner] = path.split('.');
    const part = inner === undefined ? value : { ...SPEC.reference, [inner]: value };
    return { ...SPEC, [field]: part };
  });

/** Not a request, or one that cannot be granted. */
const noRequest = fc.oneof(
  { weight: 60, arbitrary: bytes },
  { weight: 60, arbitrary: anyJson.map(text) },
  { weight: 60, arbitrary: id.map((captureId) => text({ type: 'stop', captureId })) },
  { weight: 60, arbitrary: fc.tuple(id, anyJson).map(([id, type]) => text({ type, id, captureId: id })) },
  { weight: 30, arbitrary: anyJson.map((id) => text({ type: 'report', id: [id] })) },
  { weight: 10, arbitrary: fc.constant('{"__proto__":{"id":"1"},"type":"report","constructor":{"id":1}}') },
  { weight: 1, arbitrary: tooLong },
);

/** The greeting of a capture on a control connection that exists (its name is inserted later), and what follows it. */
const noCapture = fc.oneof(
  { weight: 200, arbitrary: spoiltSpec.map((spec) => captureGreeting(spec)) },
  { weight: 40, arbitrary: anyJson.map((spec) => captureGreeting(spec)) },
  // Data in the wrong direction.
  { weight: 60, arbitrary: bytes.map((payload) => `${captureGreeting(SPEC)}${payload}`) },
);

/** Stands for the name of the control connection in the greetings of captures. */
export const CONNECTION_NAME = '<connection>';

function captureGreeting(spec: unknown): string {
  return `${text({ type: 'capture', connection: CONNECTION_NAME, spec })}\n`;
}

function samples(messages: fc.Arbitrary<string>, count: number, seed: number): string[] {
  return fc.sample(messages, { numRuns: count, seed });
}

/** `count` messages in all, for each stage of a connection; the same for the same seed. */
export function malformedMessages(
  count: number,
  seed: number,
): Record<'greeting' | 'control' | 'capture', string[]> {
  const third = Math.floor(count / 3);
  return {
    greeting: samples(noGreeting, third, seed),
    control: samples(noRequest, count - 2 * third, seed),
    capture: samples(noCapture, third, seed),
  };
}
