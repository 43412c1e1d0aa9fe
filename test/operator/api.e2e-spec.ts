import { Ajv2020 } from 'ajv/dist/2020.js';
import { readFileSync } from 'node:fs';
import { serviceForAllTests } from '../kit/service.js';

interface OpenApi {
  readonly paths: Record<
    string,
    { get: { responses: Record<string, { content: Record<string, { schema: object }> }> } }
  >;
}

const { paths } = JSON.parse(
  readFileSync(new URL('../../docs/api/openapi.json', import.meta.url), 'utf8'),
) as OpenApi;

describe('The responses of the service conform to docs/api/openapi.json', () => {
  const service = serviceForAllTests(['--local-discovery']);

  it.each(Object.entries(paths))('at %s', async (path, { get }) => {
    const response = await fetch(service.current.url(path));
    expect(Object.keys(get.responses)).toContain(String(response.status));
    const [[contentType, { schema }] = ['none', { schema: {} }]] = Object.entries(
      get.responses[response.status]?.content ?? {},
    );
    expect(response.headers.get('content-type')).toBe(contentType);
    const body: unknown = contentType.startsWith('application/json')
      ? await response.json()
      : await response.text();
    const ajv = new Ajv2020({ strict: false });
    expect(ajv.validate(schema, body) || ajv.errorsText()).toBe(true);
  });
});
