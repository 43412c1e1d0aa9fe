import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { CaptureError } from '../../../shared/protocol/capture-error.js';
import { parseContainer } from './container.dto.js';

const NETNS = 4026532270;

function refusalOf(json: string): CaptureError {
  try {
    parseContainer(json);
  } catch (error) {
    if (error instanceof CaptureError) return error;
    throw error;
  }
  throw new Error('was accepted');
}

const REFUSED: readonly (readonly [json: string, reason: string])[] = [
  ['', 'not valid JSON'],
  ['{', 'not valid JSON'],
  ['['.repeat(100_000), 'not valid JSON'],
  ['{"netns":'.repeat(100_000), 'not valid JSON'],
  ['[]', 'JSON object'],
  ['null', 'JSON object'],
  ['"text"', 'JSON object'],
  ['5', 'JSON object'],
  ['{}', 'netns or name'],
  ['{"netns":0,"name":""}', 'netns or name'],
  ['{"netns":"4026532270"}', 'netns must be a whole number'],
  ['{"netns":true}', 'netns must be a whole number'],
  ['{"netns":[]}', 'netns must be a whole number'],
  ['{"netns":{}}', 'netns must be a whole number'],
  ['{"netns":1.5}', 'netns must be a whole number'],
  ['{"netns":-1}', 'netns must be a whole number'],
  ['{"netns":1e400}', 'netns must be a whole number'],
  ['{"netns":9007199254740993}', 'netns must be a whole number'],
  ['{"netns":5,"pid":-4}', 'pid must be a whole number'],
  ['{"netns":5,"starttime":"x"}', 'starttime must be a whole number'],
  ['{"netns":5,"captureport":0.1}', 'captureport must be a whole number'],
  ['{"name":5}', 'name must be a string'],
  ['{"name":["web"]}', 'name must be a string'],
  [`{"name":"${'x'.repeat(200_000)}"}`, 'name must have at most 4096 characters'],
  ['{"name":"x","prefix":false}', 'prefix must be a string'],
  ['{"name":"x","type":{}}', 'type must be a string'],
  ['{"name":"x","node-name":0}', 'node-name must be a string'],
  ['{"name":"x","capture-service":[]}', 'capture-service must be a string'],
  ['{"name":"x","network-interfaces":"eth0"}', 'network-interfaces must be an array of strings'],
  ['{"name":"x","network-interfaces":{}}', 'network-interfaces must be an array of strings'],
  ['{"name":"x","network-interfaces":["eth0",5]}', 'network-interfaces must be an array of strings'],
  ['{"name":"x","network-interfaces":[null]}', 'network-interfaces must be an array of strings'],
  [
    `{"name":"x","network-interfaces":${'['.repeat(50_000)}${']'.repeat(50_000)}}`,
    'network-interfaces must be an array of strings',
  ],
  ['{"name":"x","cluster":"abc"}', 'cluster must be an object'],
  ['{"name":"x","cluster":[{}]}', 'cluster must be an object'],
  ['{"name":"x","cluster":{"uid":5}}', 'cluster.uid must be a string'],
  ['{"name":"x","cluster":{"context":{}}}', 'cluster.context must be a string'],
];

describe('parseContainer', () => {
  it('reads every attribute', () => {
    const container = {
      netns: NETNS,
      pid: 1234,
      starttime: 56789,
      name: 'web',
      prefix: 'dind',
      'network-interfaces': ['lo', 'eth0'],
      type: 'docker',
      'node-name': 'node-1',
      'capture-service': 'packetflix',
      cluster: { context: 'kind', uid: 'abc-def' },
      captureport: 5001,
    };
    expect(parseContainer(JSON.stringify(container))).toEqual({
      netns: NETNS,
      pid: 1234,
      startTime: 56789,
      name: 'web',
      prefix: 'dind',
      interfaces: ['lo', 'eth0'],
      type: 'docker',
      nodeName: 'node-1',
      cluster: { context: 'kind', uid: 'abc-def' },
    });
  });

  it.each([
    [
      "csharg's zero values",
      `{"netns":${NETNS},"network-interfaces":null,"name":"","type":"","prefix":"","node-name":"","pid":0,"starttime":0,"cluster":{"context":"","uid":""},"captureport":0}`,
    ],
    ['null for everything unknown', `{"netns":${NETNS},"pid":null,"name":null,"cluster":null}`],
    ['negative zero', `{"netns":${NETNS},"pid":-0}`],
    ['what a newer client may add', `{"netns":${NETNS},"colour":{"deep":[1,{"x":null}]}}`],
    ['attributes of every object', `{"netns":${NETNS},"__proto__":{"pid":7},"constructor":1,"toString":2}`],
    ['the last one of two', `{"netns":1,"netns":${NETNS}}`],
    [
      'an unknown attribute that is nested deeply',
      `{"netns":${NETNS},"x":${'['.repeat(50_000)}${']'.repeat(50_000)}}`,
    ],
    ['an unknown attribute of 200 kB', `{"netns":${NETNS},"x":"${'x'.repeat(200_000)}"}`],
  ])('interprets %s correctly', (_title, json) => {
    expect(parseContainer(json)).toEqual({
      netns: NETNS,
      prefix: '',
      type: '',
      nodeName: '',
      interfaces: [],
    });
  });

  it('does not let __proto__ give attributes', () => {
    expect(refusalOf('{"__proto__":{"netns":5,"name":"x"}}').message).toContain('netns or name');
    expect(parseContainer('{"name":"x","__proto__":{"netns":5}}').netns).toBeUndefined();
  });

  it('makes well-formed text of halves of surrogate pairs', () => {
    expect(parseContainer('{"name":"a\\ud800b"}').name).toBe('a\ufffdb');
  });

  it.each(REFUSED.map(([json, reason]) => ({ json, reason, shown: json.slice(0, 60) })))(
    'refuses $shown',
    ({ json, reason }) => {
      const refusal = refusalOf(json);
      expect(refusal.code).toBe('invalid-request');
      expect(refusal.message).toContain(reason);
      expect(Buffer.byteLength(refusal.message)).toBeLessThanOrEqual(123);
    },
  );

  it('answers any text whatsoever with a target or with a short reason', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          hostileContainer().map((value) => JSON.stringify(value)),
        ),
        answers,
      ),
      { numRuns: 3000 },
    );
  });

  it('never changes the value of a number', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true }), (number) => {
        const json = `{"name":"x","pid":${number}}`;
        const isPid = Number.isSafeInteger(number) && number > 0;
        if (isPid || number === 0) expect(parseContainer(json).pid).toBe(isPid ? number : undefined);
        else expect(refusalOf(json).message).toMatch(/pid|not valid JSON/);
      }),
    );
  });
});

/** Objects with the attributes that count, of any type. */
function hostileContainer() {
  const attribute = fc.constantFrom(
    ...['netns', 'pid', 'starttime', 'name', 'prefix', 'network-interfaces', 'type', 'node-name', 'cluster'],
    ...['__proto__', 'constructor', 'toString', 'captureport', 'capture-service'],
  );
  return fc.dictionary(attribute, fc.oneof(fc.jsonValue(), fc.nat(), fc.string()), { maxKeys: 6 });
}

function answers(json: string): void {
  try {
    const target = parseContainer(json);
    expect(target.netns ?? target.name).toBeTruthy();
    expect(target.prefix).toEqual(expect.any(String));
  } catch (error) {
    if (!(error instanceof CaptureError)) throw error;
    expect(error.code).toBe('invalid-request');
    expect(Buffer.byteLength(error.message)).toBeLessThanOrEqual(123);
  }
}
