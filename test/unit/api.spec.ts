import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv } from 'ajv';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { containerSchema } from '../../tools/api/container-schema.js';
import { describeApi } from '../../tools/api/describe-api.js';
import { parseContainer } from '../../src/server/capture/request/container.dto.js';
import { CLOSINGS } from '../../src/server/capture/close-codes.js';
import {
  markdownParameterTable,
  REQUEST_PARAMETERS,
} from '../../src/server/capture/request/request-parameters.js';

const PROJECT = resolve(import.meta.dirname, '../..');
const API = readFileSync(resolve(PROJECT, 'docs/api.md'), 'utf8');
const ASYNC_API_SCHEMA = createRequire(import.meta.url)('@asyncapi/specs/schemas/3.0.0.json') as object;

function described(name: string): Record<string, unknown> {
  return JSON.parse(readFileSync(resolve(PROJECT, 'docs/api', name), 'utf8')) as Record<string, unknown>;
}

describe('The descriptions of the API', () => {
  it.each(['openapi.json', 'asyncapi.json'])('are those of the code: %s', async (name) => {
    // When this fails: npm run api.
    expect(described(name)).toEqual(JSON.parse((await describeApi())[name] ?? ''));
  });

  it('are valid OpenAPI', async () => {
    expect(await new Validator().validate(described('openapi.json'))).toEqual({ valid: true });
  });

  it('are valid AsyncAPI', () => {
    const ajv = new Ajv({ meta: false, validateSchema: false, strict: false, validateFormats: false });
    const validate = ajv.compile(ASYNC_API_SCHEMA);
    expect(validate(described('asyncapi.json')) || ajv.errorsText(validate.errors)).toBe(true);
    expect(validate({ ...described('asyncapi.json'), operations: { x: { action: 'none' } } })).toBe(false);
  });

  it('have every parameter, close code and channel', () => {
    const { channels } = described('asyncapi.json') as {
      channels: Record<
        string,
        { address: string; bindings: { ws: { query: { properties: object } } } } & object
      >;
    };
    expect(Object.values(channels).map(({ address }) => address)).toEqual(['/capture', '/discover/capture']);
    for (const channel of Object.values(channels)) {
      expect(Object.keys(channel.bindings.ws.query.properties)).toEqual(Object.keys(REQUEST_PARAMETERS));
      expect(channel).toHaveProperty('x-close-codes.4429', ['too-many-captures']);
      expect(channel).toHaveProperty('x-max-client-message-bytes', 1024);
    }
  });
});

describe('docs/api.md', () => {
  it('has the parameters as requests are read', () => {
    const table = /^<!-- parameters -->\n\n([^]*?)\n\n<!-- \/parameters -->$/m.exec(API)?.[1];
    // When this fails: copy what was expected.
    expect(table).toBe(markdownParameterTable());
  });

  it('has the close codes that there are', () => {
    const table = /^<!-- close-codes -->\n\n([^]*?)\n\n<!-- \/close-codes -->$/m.exec(API)?.[1] ?? '';
    const codes = [...table.matchAll(/^\| (\d+) \|/gm)].map(([, code]) => Number(code));
    expect(codes).toEqual([...new Set(CLOSINGS.map(([, code]) => code))].sort((one, other) => one - other));
  });
});

describe('The schema of the container object', () => {
  const validate = new Ajv({ allowUnionTypes: true }).compile(containerSchema());

  it.each<[boolean, object]>([
    [true, { netns: 5 }],
    [
      true,
      { name: 'web', prefix: null, 'network-interfaces': ['eth0'], cluster: { uid: 'abc' }, future: [] },
    ],
    [true, { netns: 5, pid: 0, 'network-interfaces': null, cluster: null }],
    [false, {}],
    [false, { netns: '5' }],
    [false, { netns: 1.5 }],
    [false, { netns: -1 }],
    [false, { netns: 2 ** 53 }],
    [false, { name: 5 }],
    [false, { name: 'x'.repeat(4097) }],
    [false, { netns: 5, 'network-interfaces': 'eth0' }],
    [false, { netns: 5, 'network-interfaces': [5] }],
    [false, { netns: 5, cluster: { uid: 5 } }],
    [false, { netns: 5, cluster: 'abc' }],
  ])('comes to the same as the code, %s, for %j', (good, container) => {
    const byCode = (): unknown => parseContainer(JSON.stringify(container));
    if (good) expect(byCode).not.toThrow();
    else expect(byCode).toThrow();
    expect(validate(container)).toBe(good);
  });
});
